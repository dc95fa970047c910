/** One clock for the page: ticks each second, corrected by what the server says, so that an age is never a lie. */

import { readonly, ref } from "vue";

const offset = ref(0);
const tick = ref(Date.now());
let timer: ReturnType<typeof setInterval> | undefined;

/** The server's time now, in ms. */
export function nowMs(): number {
  return Date.now() + offset.value;
}

/** Take the server's time from an event that carries it.  A difference under half a second is the network's. */
export function correct(serverMs: number): void {
  const seen = serverMs - Date.now();
  if (Math.abs(seen - offset.value) > 500) offset.value = seen;
  tick.value = nowMs();
}

export function useNow() {
  timer ??= setInterval(() => (tick.value = nowMs()), 1000);
  tick.value = nowMs();
  return readonly(tick);
}
