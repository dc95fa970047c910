/** Places that were not sent yet, kept in the browser: oldest first, bounded, and gone when sharing stops. */

export interface Place {
  timeMs: number;
  lon: number;
  lat: number;
  kmh: number | null;
  deg: number | null;
  accuracyM: number | null;
}

/** A day at one place each nine seconds. */
export const MOST_KEPT = 10_000;
export const AT_ONCE = 500;
const LEAST_MS = 1_000;

export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export class Queue {
  private places: Place[];

  constructor(
    private readonly shelf: Shelf,
    private readonly key: string,
  ) {
    try {
      const found = JSON.parse(shelf.getItem(key) ?? "[]") as Place[];
      this.places = Array.isArray(found) ? found : [];
    } catch {
      this.places = [];
    }
  }

  get length(): number {
    return this.places.length;
  }

  /** One place a second at most; when it is full the oldest goes. */
  add(place: Place): void {
    const last = this.places[this.places.length - 1];
    if (last && place.timeMs - last.timeMs < LEAST_MS) return;
    this.places.push(place);
    if (this.places.length > MOST_KEPT) this.places.splice(0, this.places.length - MOST_KEPT);
    this.keep();
  }

  /** What to send now, as the API takes it; null when nothing waits. */
  next(): { time_ms: number[]; lon: number[]; lat: number[]; kmh: (number | null)[]; deg: (number | null)[]; accuracy_m: (number | null)[] } | null {
    const part = this.places.slice(0, AT_ONCE);
    if (!part.length) return null;
    return {
      time_ms: part.map((p) => p.timeMs),
      lon: part.map((p) => p.lon),
      lat: part.map((p) => p.lat),
      kmh: part.map((p) => p.kmh),
      deg: part.map((p) => p.deg),
      accuracy_m: part.map((p) => p.accuracyM),
    };
  }

  /** The first `count` were answered for. */
  done(count: number): void {
    this.places.splice(0, count);
    this.keep();
  }

  clear(): void {
    this.places = [];
    this.keep();
  }

  private keep(): void {
    try {
      if (this.places.length) this.shelf.setItem(this.key, JSON.stringify(this.places));
      else this.shelf.removeItem(this.key);
    } catch {
      /* no room: for this page only */
    }
  }
}
