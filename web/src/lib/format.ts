/** Numbers, times and ages as people read them: Asia/Shanghai, 24 h, `2026-11-23 20:41:07`. */

const ZONE = "Asia/Shanghai";
const full = new Intl.DateTimeFormat("sv-SE", {
  timeZone: ZONE,
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

export function dateTime(ms: number): string {
  return full.format(ms);
}

export function date(ms: number): string {
  return dateTime(ms).slice(0, 10);
}

export function clock(ms: number): string {
  return dateTime(ms).slice(11);
}

export function hourMinute(ms: number): string {
  return dateTime(ms).slice(11, 16);
}

/** `20:41:07` today, `11-22 20:41` on another day. */
export function shortTime(ms: number, now: number): string {
  return date(ms) === date(now) ? clock(ms) : dateTime(ms).slice(5, 16);
}

/** A value with its decimals; a dash where there is none. */
export function number(value: number | null | undefined, decimals = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  const text = value.toFixed(Math.min(decimals, 8));
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

export function count(value: number): string {
  return value.toLocaleString("en-US");
}

export interface Span {
  /** the key of the words in `age.*` */
  unit: "s" | "min" | "h" | "d";
  n: number;
}

/** The largest unit that is at least one. */
export function span(ms: number): Span {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return { unit: "s", n: s };
  if (s < 3600) return { unit: "min", n: Math.floor(s / 60) };
  if (s < 86400) return { unit: "h", n: Math.floor(s / 3600) };
  return { unit: "d", n: Math.floor(s / 86400) };
}

/** `4:05`, `1:02:09`, without sign: what a countdown shows. */
export function countdown(ms: number): string {
  const s = Math.floor(Math.abs(ms) / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600);
  return h ? `${h}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** A unit code of `base/units.py` as people write it: `ug/m3` is `µg/m³`. */
export function unit(code: string): string {
  return code
    .replace(/^u(?=[a-zA-Z])/, "µ")
    .replace(/([a-z])([23])(?![0-9])/g, (_, letter, power) => letter + (power === "2" ? "²" : "³"))
    .replace("H2O", "H₂O")
    .replace(/^gn$/, "g");
}
