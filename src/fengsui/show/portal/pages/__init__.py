"""One module a page or family of pages: parse, ask a list or call one service, show the answer."""
