/** The theme in force, as a ref that follows the switch in the top bar, and the value of a token under it. */

import { onScopeDispose, ref, type Ref } from "vue";

export type Theme = "light" | "dark";

export function theme(): Theme {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

export function useTheme(): Ref<Theme> {
  const current = ref(theme());
  const observer = new MutationObserver(() => (current.value = theme()));
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  onScopeDispose(() => observer.disconnect());
  return current;
}

export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--em-${name}`).trim();
}
