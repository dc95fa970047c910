/**
 * Whether a request follows from what somebody did, or the page makes it by itself.  The latter carries
 * `X-Fengsui-Background: 1`: it is no use of the session, so that an unattended screen is logged out in time.
 */

export const HEADER = "X-Fengsui-Background";
const BY_HAND_MS = 3_000; // filters wait for typing to end, searches for an answer before the next question
const INPUTS = ["pointerdown", "keydown", "wheel", "touchstart", "input", "change", "submit"] as const;

let last = Number.NEGATIVE_INFINITY;
for (const name of INPUTS) {
  document.addEventListener(
    name,
    (event) => {
      if (event.isTrusted) last = performance.now();
    },
    { capture: true, passive: true },
  );
}

/** `{}` shortly after somebody touched, typed or scrolled; else the header. */
export function background(): Record<string, string> {
  return performance.now() - last < BY_HAND_MS ? {} : { [HEADER]: "1" };
}
