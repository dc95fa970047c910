/** The place of this phone, shared while its owner wants it: watched, kept while there is no connection, sent in columns. */

import { ApiError, post } from "@/lib/api";
import { clock } from "@/lib/format";
import { Queue, type Place } from "./queue";

const SEND_MS = 5_000;
const root = document.querySelector<HTMLElement>("#here");

interface Taken {
  rows: number;
  accepted: number;
  refused: number;
  bad: { row: number; why: string }[];
}

function start(page: HTMLElement): void {
  const part = <T extends HTMLElement>(name: string) => page.querySelector<T>(`[data-${name}]`)!;
  const [begin, end, state] = [part<HTMLButtonElement>("start"), part<HTMLButtonElement>("stop"), part("state")];
  const words = page.dataset;
  const queue = new Queue(localStorage, "fengsui.here");
  let watch: number | null = null;
  let isSending = false;

  const say = (text = "", kind = ""): void => {
    state.textContent = text;
    state.className = `badge ${kind}`;
  };
  const show = (): void => {
    begin.hidden = watch !== null;
    end.hidden = watch === null;
    part("queue").textContent = String(queue.length);
  };

  const seen = ({ coords, timestamp }: GeolocationPosition): void => {
    const place: Place = {
      timeMs: Math.round(timestamp),
      lon: coords.longitude,
      lat: coords.latitude,
      kmh: coords.speed === null || Number.isNaN(coords.speed) ? null : Math.round(coords.speed * 36) / 10,
      deg: coords.heading === null || Number.isNaN(coords.heading) ? null : Math.round(coords.heading),
      accuracyM: Math.round(coords.accuracy),
    };
    queue.add(place);
    part("place").textContent = `${place.lon.toFixed(5)}, ${place.lat.toFixed(5)}`;
    part("accuracy").textContent = `${place.accuracyM} m`;
    show();
    void send();
  };
  const unseen = (error: GeolocationPositionError): void => {
    if (error.code === error.PERMISSION_DENIED) {
      say(words.denied, "badge-bad");
      void stop();
    } else say(words.lost, "badge-warn");
  };

  async function send(): Promise<void> {
    const body = queue.next();
    if (!body || isSending || watch === null) return;
    isSending = true;
    try {
      const told = await post<Taken>("here", body);
      queue.done(body.time_ms.length);
      part("last").textContent = clock(Date.now());
      if (told.refused) say(`${words.refused} ${told.bad[0]?.why ?? told.refused}`, "badge-warn");
      else say(words.on, "badge-ok");
    } catch (error) {
      const failed = error as ApiError;
      if (failed.status === 403) {
        // stopped elsewhere: nothing of it is sent any more, and nothing is kept
        queue.clear();
        unwatch();
        say(words.off);
      } else if (failed.status === 422) {
        queue.done(body.time_ms.length); // it would be refused again
        say(`${words.refused} ${failed.message}`, "badge-bad");
      } else say(failed.status === 401 ? words.loggedout : words.kept, "badge-warn");
    } finally {
      isSending = false;
      show();
    }
  }

  function follow(): void {
    if (!("geolocation" in navigator) || !window.isSecureContext) {
      say(words.none, "badge-bad");
      return;
    }
    watch = navigator.geolocation.watchPosition(seen, unseen, { enableHighAccuracy: true, maximumAge: 1_000 });
    say(words.waiting);
    show();
  }

  function unwatch(): void {
    if (watch !== null) navigator.geolocation.clearWatch(watch);
    watch = null;
    show();
  }

  async function stop(): Promise<void> {
    unwatch();
    queue.clear();
    show();
    try {
      await post("here/stop");
      say(words.off);
    } catch (error) {
      say((error as ApiError).message, "badge-bad");
    }
  }

  begin.addEventListener("click", async () => {
    try {
      await post("here/share");
      follow();
    } catch (error) {
      say((error as ApiError).message, "badge-bad");
    }
  });
  end.addEventListener("click", () => void stop());
  window.addEventListener("online", () => void send());
  setInterval(() => void send(), SEND_MS);
  if (words.shared) follow();
  else {
    queue.clear();
    say(words.off);
  }
  show();
}

if (root) start(root);
