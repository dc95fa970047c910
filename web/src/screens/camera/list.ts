/** The list of a stream (HLS, RFC 8216): what the server says is there to be played now. */

export interface Part {
  name: string;
  seconds: number;
  opening: string;
}

/** The parts in order; lines that say something else are passed over. */
export function parts(text: string): Part[] {
  const found: Part[] = [];
  let seconds = 0;
  let opening = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("#EXT-X-MAP:")) opening = /URI="([^"]*)"/.exec(line)?.[1] ?? "";
    else if (line.startsWith("#EXTINF:")) seconds = Number.parseFloat(line.slice(8)) || 0;
    else if (line && !line.startsWith("#") && opening) found.push({ name: line.trim(), seconds, opening });
  }
  return found;
}

/** What is to be loaded next: everything after `last`; of a list that knows it no more, or at first, the newest two. */
export function fresh(list: Part[], last: string): Part[] {
  const at = list.findIndex((part) => part.name === last);
  return at >= 0 ? list.slice(at + 1) : list.slice(-2);
}
