/**
 * The bell of a red alarm: two falling tones, again every four seconds until somebody acknowledges or mutes.
 * Browsers give no sound before the first touch of a page; `blocked` says so, and the screen asks for that touch.
 */

import { onScopeDispose, ref, watch, type Ref } from "vue";
import { remembered } from "./remember";

const EVERY_MS = 4000;

export function useBell(ringing: () => boolean) {
  const muted: Ref<boolean> = remembered("muted", false);
  const blocked = ref(false);
  let context: AudioContext | null = null;
  let timer: ReturnType<typeof setInterval> | undefined;

  function tone(at: number, hertz: number): void {
    const oscillator = context!.createOscillator();
    const gain = context!.createGain();
    oscillator.frequency.value = hertz;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.25, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.38);
    oscillator.connect(gain).connect(context!.destination);
    oscillator.start(at);
    oscillator.stop(at + 0.4);
  }

  function ring(): void {
    if (typeof AudioContext === "undefined") return;
    blocked.value = !(navigator.userActivation?.hasBeenActive ?? true);
    if (blocked.value) return;
    context ??= new AudioContext();
    if (context.state === "suspended") void context.resume();
    tone(context.currentTime, 880);
    tone(context.currentTime + 0.42, 660);
  }

  watch(
    () => ringing() && !muted.value,
    (on) => {
      clearInterval(timer);
      if (!on) {
        blocked.value = false;
        return;
      }
      ring();
      timer = setInterval(ring, EVERY_MS);
    },
    { immediate: true },
  );

  const touched = () => {
    if (blocked.value) ring();
  };
  document.addEventListener("pointerdown", touched);
  document.addEventListener("keydown", touched);
  onScopeDispose(() => {
    clearInterval(timer);
    document.removeEventListener("pointerdown", touched);
    document.removeEventListener("keydown", touched);
    void context?.close();
  });
  return { muted, blocked };
}
