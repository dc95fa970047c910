/** A choice of this person on this machine, kept in localStorage when that is allowed. */

import { ref, watch, type Ref } from "vue";

export function remembered<T>(name: string, start: T): Ref<T> {
  const key = `fengsui.${name}`;
  let value = start;
  try {
    const kept = localStorage.getItem(key);
    if (kept !== null) value = JSON.parse(kept) as T;
  } catch {
    /* forbidden or broken: the start value then */
  }
  const held = ref(value) as Ref<T>;
  watch(held, (next) => {
    try {
      localStorage.setItem(key, JSON.stringify(next));
    } catch {
      /* not kept; still true for this page */
    }
  });
  return held;
}
