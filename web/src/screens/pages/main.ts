/** What pages gain when JavaScript is there: partial refresh, theme, menus that close, `Ctrl K`, ages that go on. */

import "htmx.org";
import { get, type Hit } from "@/lib/api";
import { background } from "@/lib/background";
import { linkFields } from "@/lib/fields";
import { span } from "@/lib/format";
import { followLoops } from "@/lib/loops";
import { theme } from "@/lib/theme";
import { age as ageEn, page as wordsEn } from "@/locales/en.json";
import { age as ageZh, page as wordsZh } from "@/locales/zh-Hans.json";

const isEnglish = document.documentElement.lang === "en";
const [age, words] = isEnglish ? [ageEn, wordsEn] : [ageZh, wordsZh];

/* CSRF for every hx-post; what a page asks by itself says so */
document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = (event as CustomEvent).detail;
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content;
  if (!ctx?.request) return;
  ctx.request.headers = { ...ctx.request.headers, ...background() };
  if (token) ctx.request.headers["X-CSRFToken"] = token;
});

/* theme */
for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("fengsui.theme", next);
    } catch {
      /* for this page only */
    }
  });
}

/* menus close on Esc, on a click elsewhere, and when another opens */
const menus = [...document.querySelectorAll<HTMLDetailsElement>("details.menu")];
document.addEventListener("click", (event) => {
  for (const menu of menus) if (menu.open && !menu.contains(event.target as Node)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) {
    if (!menu.open) continue;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});

/* a frame's bytes and rows */
if (document.querySelector("[data-field]")) linkFields(document);

/* find anything */
const find = document.querySelector<HTMLInputElement>("#find");
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && find) {
    event.preventDefault();
    find.focus();
    find.select();
  }
});
if (find) suggest(find);

function suggest(input: HTMLInputElement): void {
  const box = document.createElement("div");
  box.className = "top-found";
  box.id = "found";
  box.hidden = true;
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-label", input.getAttribute("aria-label") ?? "");
  input.form?.append(box);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", "found");
  input.setAttribute("aria-autocomplete", "list");
  let asking: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let at = -1;

  function show(open: boolean): void {
    box.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) {
      at = -1;
      input.removeAttribute("aria-activedescendant");
    }
  }

  function mark(next: number): void {
    const options = [...box.querySelectorAll("a")];
    if (!options.length) return;
    at = (next + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", options[at].id);
    options[at].scrollIntoView({ block: "nearest" });
  }

  function say(text: string): void {
    const line = document.createElement("p");
    line.textContent = text;
    line.setAttribute("role", "option");
    line.setAttribute("aria-disabled", "true");
    line.setAttribute("aria-selected", "false");
    box.replaceChildren(line);
    show(true);
  }

  async function ask(): Promise<void> {
    const q = input.value.trim();
    asking?.abort();
    if (!q) return show(false);
    asking = new AbortController();
    try {
      const { hits } = await get<{ hits: Hit[] }>("search", { q, size: 6 }, asking.signal);
      if (!hits.length) return say(words.nothing);
      box.replaceChildren(
        ...hits.map((hit, i) => {
          const link = document.createElement("a");
          link.href = hit.url;
          link.id = `found-${i}`;
          link.tabIndex = -1;
          link.setAttribute("role", "option");
          link.setAttribute("aria-selected", "false");
          const name = document.createElement("strong");
          name.textContent = (isEnglish && hit.name_en) || hit.name;
          const where = document.createElement("small");
          where.className = "faint";
          where.textContent = [hit.code, hit.where].filter(Boolean).join(" · ");
          link.append(name, where);
          return link;
        }),
      );
      at = -1;
      show(true);
    } catch (error) {
      if ((error as Error).name !== "AbortError") say(words.failed);
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && !box.hidden) mark(at + 1);
    else if (event.key === "ArrowUp" && !box.hidden) mark(at - 1);
    else if (event.key === "Escape") box.hidden ? input.blur() : show(false);
    else if (event.key === "Enter" && at >= 0) box.querySelectorAll("a")[at]?.click();
    else return;
    event.preventDefault();
  });
  input.form?.addEventListener("focusout", (event) => {
    if (!input.form?.contains(event.relatedTarget as Node | null)) show(false);
  });
}

/* call-and-confirm: what asks me now, on every page; the board follows the loops of its warning, times left go on */
const strip = document.querySelector<HTMLElement>("#calls-mine");
const board = document.querySelector<HTMLElement>("[data-follow-calls]");
if (strip || board) follow(strip, board);

function follow(strip: HTMLElement | null, board: HTMLElement | null): void {
  let soon: ReturnType<typeof setTimeout> | undefined;
  /* never under the hands of whoever fills a form in it, also not by an answer that was already under way */
  const busy = () =>
    board !== null && (board.contains(document.activeElement) || board.querySelector("details[open]") !== null);
  const again = () => {
    soon = undefined;
    strip?.dispatchEvent(new Event("calls"));
    if (!busy()) board?.dispatchEvent(new Event("calls"));
  };
  board?.addEventListener("htmx:before:swap", (event) => {
    if (event.target === board && busy()) event.preventDefault();
  });
  followLoops((loop) => {
    if (loop.kind === "call_confirm") soon ??= setTimeout(again, 300);
  }, again);
}

function timesLeft(): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-left]")) {
    const seconds = Math.ceil((Date.parse(element.dataset.left ?? "") - Date.now()) / 1000);
    if (!Number.isFinite(seconds)) continue;
    const late = seconds < 0;
    const whole = Math.abs(seconds);
    const text = `${late ? "+" : ""}${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
    element.classList.toggle("overdue", late);
    if (element.textContent !== text) element.textContent = text;
  }
}
if (board) {
  timesLeft();
  setInterval(timesLeft, 1_000);
  document.addEventListener("htmx:after:swap", timesLeft);
}

/* ages go on */
function ages(): void {
  const now = Date.now();
  for (const element of document.querySelectorAll<HTMLElement>("[data-age]")) {
    const { unit, n } = span(now - Date.parse(element.dataset.age ?? ""));
    const text = age[unit].replace("{n}", String(n));
    if (Number.isFinite(n) && element.textContent !== text) element.textContent = text;
  }
}
if (document.querySelector("[data-age]")) ages();
setInterval(ages, 5_000);
