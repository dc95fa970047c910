/** Single-letter keys: off while somebody types, with a modifier, or when the person switched them off (WCAG 2.1.4). */

import { onScopeDispose } from "vue";
import { remembered } from "./remember";

export const keysOn = remembered("keys", true);
export type KeyMap = Record<string, (event: KeyboardEvent) => void>;

export function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element?.tagName) return false;
  if (element.isContentEditable) return true;
  if (element.tagName === "INPUT") {
    return !["checkbox", "radio", "button", "range"].includes((element as HTMLInputElement).type);
  }
  return element.tagName === "TEXTAREA" || element.tagName === "SELECT";
}

/** Keys that work while letters are off: they mean nothing else on the page. */
const ALWAYS = new Set(["Escape"]);

export function useKeys(map: KeyMap, active: () => boolean = () => true): void {
  function pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !active()) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = map[name];
    if (!act) return;
    if (!ALWAYS.has(name) && (isTyping(event.target) || !keysOn.value)) return;
    if (name === "Enter" && (event.target as HTMLElement).closest("a,button,summary,[role=option]")) return;
    act(event);
  }
  document.addEventListener("keydown", pressed);
  onScopeDispose(() => document.removeEventListener("keydown", pressed));
}

