/** A camera: its live picture out of fragments of MP4, and the pad that moves it.  No library: the browser's own MSE. */

import { fresh, parts } from "./list";

const player = document.querySelector<HTMLElement>("#player");
const token = () => document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
const BEHIND_S = 6; // further behind than this: jump
const KEEP_S = 20; // of what was played
const RENEW_MS = 10_000;

interface Shown {
  stream: string;
  address: string;
  codec: string;
  codecs: string;
  width: number;
  height: number;
}

async function post(path: string, fields: Record<string, string>): Promise<Record<string, unknown>> {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "X-CSRFToken": token(), "Content-Type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(fields),
  });
  const told = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  if (!answer.ok) throw new Error(String(told.message ?? answer.status));
  return told;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const event = (target: EventTarget, name: string) =>
  new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));

class Player {
  private readonly video: HTMLVideoElement;
  private readonly image: HTMLImageElement;
  private readonly state: HTMLElement;
  private readonly facts: HTMLElement;
  private on = false;

  constructor(private readonly root: HTMLElement) {
    this.video = root.querySelector("video") as HTMLVideoElement;
    this.image = root.querySelector("img") as HTMLImageElement;
    this.state = root.querySelector("[data-state]") as HTMLElement;
    this.facts = root.querySelector("[data-facts]") as HTMLElement;
  }

  get camera(): string {
    return `/cameras/${this.root.dataset.camera}/`;
  }

  /** Show until the page is left: what stops is called again. */
  async show(): Promise<void> {
    if (this.on) return;
    this.on = true;
    this.say(this.root.dataset.connecting ?? "");
    for (let pause = 2000; ; pause = Math.min(2 * pause, 30_000)) {
      try {
        const began = performance.now();
        await this.play((await post(`${this.camera}watch/`, {})) as unknown as Shown);
        if (performance.now() - began > 30_000) pause = 2000;
        this.say(this.root.dataset.again ?? "", "badge-warn");
      } catch (error) {
        this.say(error instanceof Error ? error.message : String(error), "badge-bad");
      }
      await wait(pause);
    }
  }

  private async play(shown: Shown): Promise<void> {
    this.facts.textContent = `${shown.codec} ${shown.width}×${shown.height}`;
    const type = `video/mp4; codecs="${shown.codecs}"`;
    if (!("MediaSource" in window) || !MediaSource.isTypeSupported(type)) return this.stills();
    const source = new MediaSource();
    this.image.hidden = true;
    this.video.hidden = false;
    this.video.src = URL.createObjectURL(source);
    try {
      await event(source, "sourceopen");
      await this.load(source.addSourceBuffer(type), shown);
    } finally {
      URL.revokeObjectURL(this.video.src);
    }
  }

  private async load(buffer: SourceBuffer, shown: Shown): Promise<void> {
    let [last, opening, renewed] = ["", "", performance.now()];
    const append = async (name: string) => {
      const answer = await fetch(shown.address + name);
      if (!answer.ok) throw new Error(`${answer.status}`);
      const data = await answer.arrayBuffer();
      buffer.appendBuffer(data);
      await event(buffer, "updateend");
      if (this.video.error) throw new Error(this.video.error.message);
    };
    for (;;) {
      const answer = await fetch(`${shown.address}index.m3u8`);
      if (!answer.ok) return;
      for (const part of fresh(parts(await answer.text()), last)) {
        if (part.opening !== opening) await append(part.opening);
        opening = part.opening;
        await append(part.name);
        last = part.name;
      }
      await this.keepUp(buffer);
      if (performance.now() - renewed > RENEW_MS) {
        renewed = performance.now();
        const now = (await post(`${this.camera}watch/`, { stream: shown.stream })) as unknown as Shown;
        if (now.stream !== shown.stream) return;
      }
      await wait(500);
    }
  }

  /** Near the newest picture, with little kept of what was played. */
  private async keepUp(buffer: SourceBuffer): Promise<void> {
    const ranges = buffer.buffered;
    if (!ranges.length) return;
    const [start, end] = [ranges.start(ranges.length - 1), ranges.end(ranges.length - 1)];
    if (this.video.currentTime < start || end - this.video.currentTime > BEHIND_S)
      this.video.currentTime = Math.max(start, end - 1.5);
    if (this.video.paused) await this.video.play().catch(() => undefined);
    if (this.video.currentTime - ranges.start(0) > 2 * KEEP_S) {
      buffer.remove(0, this.video.currentTime - KEEP_S);
      await event(buffer, "updateend");
    }
    const behind = Math.max(0, end - this.video.currentTime);
    this.say(
      `${this.root.dataset.live} · ${behind.toFixed(1)} ${this.root.dataset.behind}`,
      "badge-ok",
    );
  }

  private async stills(): Promise<void> {
    this.say(this.root.dataset.still ?? "", "badge-warn");
    this.video.hidden = true;
    this.image.hidden = false;
    for (;;) {
      this.image.src = `${this.camera}still.jpg?at=${Date.now()}`;
      await Promise.race([event(this.image, "load"), event(this.image, "error"), wait(20_000)]);
      await wait(2000);
    }
  }

  private say(text: string, kind = ""): void {
    this.state.textContent = text;
    this.state.className = `badge ${kind}`;
  }
}

if (player) {
  const made = new Player(player);
  player.querySelector("[data-play]")?.addEventListener("click", () => void made.show());
  player.querySelector("[data-full]")?.addEventListener("click", () => {
    const picture = player.querySelector(".player-picture");
    void (document.fullscreenElement ? document.exitFullscreen() : picture?.requestFullscreen());
  });
  void made.show();
}

/* the pad: the camera moves as long as a button is held, by pointer or by key */
const pad = document.querySelector<HTMLElement>("#move");
if (pad && player) {
  const said = pad.querySelector<HTMLElement>("[data-said]");
  const speed = pad.querySelector<HTMLInputElement>("#speed");
  const send = async (fields: Record<string, string>) => {
    try {
      await post(`/cameras/${player.dataset.camera}/move/`, fields);
      if (said) said.textContent = "";
    } catch (error) {
      if (said) said.textContent = `${pad.dataset.failed} ${error instanceof Error ? error.message : error}`;
    }
  };
  let moving = false;
  const stop = () => {
    if (moving) void send({ pan: "0", tilt: "0", zoom: "0" });
    moving = false;
  };
  for (const button of pad.querySelectorAll<HTMLButtonElement>("[data-pan],[data-tilt],[data-zoom]")) {
    const { pan = "0", tilt = "0", zoom = "0" } = button.dataset;
    const start = () => {
      if (moving) return;
      moving = true;
      const fast = Number(speed?.value ?? 4);
      void send({
        pan: String(Number(pan) * fast * 31),
        tilt: String(Number(tilt) * fast * 31),
        zoom: String(Number(zoom) * fast),
      });
    };
    button.addEventListener("pointerdown", start);
    button.addEventListener("keydown", (key) => (key.key === "Enter" || key.key === " ") && start());
    for (const name of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) button.addEventListener(name, stop);
  }
  pad.querySelector("[data-preset]")?.addEventListener("click", () => {
    void send({ preset: pad.querySelector<HTMLInputElement>("#preset")?.value ?? "1" });
  });
}
