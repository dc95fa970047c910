/** Sites that raise more alarms than a person can take in: asked soon after alarms came, and every 30 s. */

import { onScopeDispose, shallowRef } from "vue";
import { get, type Storm } from "@/lib/api";

const PERIOD_MS = 30_000;
const SOON_MS = 1_500;

export function useStorms() {
  const storms = shallowRef<Storm[]>([]);
  let soon: ReturnType<typeof setTimeout> | undefined;

  async function load(): Promise<void> {
    try {
      storms.value = await get<Storm[]>("alarms/storms");
    } catch {
      /* the next round tries again; a storm does not end because nobody could ask */
    }
  }

  /** Once for a burst of alarms. */
  function loadSoon(): void {
    soon ??= setTimeout(() => {
      soon = undefined;
      void load();
    }, SOON_MS);
  }

  const timer = setInterval(load, PERIOD_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    clearTimeout(soon);
  });
  return { storms, load, loadSoon };
}
