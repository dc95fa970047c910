/**
 * One datastream over time, drawn by uPlot: the line, its setpoints, what was uncertain, and where data stopped.
 *
 * Times in ms outside, seconds inside uPlot.  A bad or missing value is a gap, never a line drawn across it.
 */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Kind, Level } from "@/lib/api";
import { dateTime, hourMinute, number } from "@/lib/format";
import { token } from "@/lib/theme";

export interface Series {
  t: number[];
  v: (number | null)[];
  q: number[];
}

export interface SetLine {
  kind: Kind;
  setpoint: number;
  priority: Level;
  words: string;
}

export interface LineOptions {
  width: number;
  height: number;
  fromMs: number;
  toMs: number;
  decimals: number;
  limits: SetLine[];
  lost: string;
  periodMs: number;
  compact: boolean;
  /** text against the desk's 12 px */
  scale: number;
  /** the moment of an alarm, marked on the time axis */
  markMs: number | null;
  markLevel: Level | null;
  onCursor?: (index: number | null) => void;
}

const FONT = 12;

export function fontOf(size = FONT): string {
  return `${size}px ${token("font")}`;
}

/** The span of values to draw: the data with a margin, and each setpoint that lies near enough to matter. */
export function scaleOf(values: readonly (number | null)[], limits: readonly SetLine[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) {
    const points = limits.map((l) => l.setpoint);
    if (!points.length) return [0, 1];
    low = Math.min(...points);
    high = Math.max(...points);
  }
  const reach = Math.max((high - low) * 2.5, Math.abs(high) * 0.02, 1e-9);
  const [dataLow, dataHigh] = [low, high];
  for (const { setpoint } of limits) {
    if (setpoint > dataHigh && setpoint - dataHigh <= reach) high = Math.max(high, setpoint);
    if (setpoint < dataLow && dataLow - setpoint <= reach) low = Math.min(low, setpoint);
  }
  const margin = (high - low || Math.abs(high) * 0.05 || 1) * 0.12;
  return [low - margin, high + margin];
}

/** The decimals a step between two ticks needs: 2.5 needs one, 0.05 two. */
export function digitsOf(step: number): number {
  let digits = 0;
  while (digits < 8 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits++;
  return digits;
}

/** Columns as uPlot wants them: seconds, and null where the value is bad or missing. */
export function columns(series: Series): [number[], (number | null)[]] {
  const x = new Array<number>(series.t.length);
  const y = new Array<number | null>(series.t.length);
  for (let i = 0; i < series.t.length; i++) {
    x[i] = series.t[i] / 1000;
    y[i] = series.q[i] === 2 ? null : series.v[i];
  }
  return [x, y];
}

export class Line {
  private plot: uPlot;
  private series: Series = { t: [], v: [], q: [] };

  constructor(
    private readonly host: HTMLElement,
    private options: LineOptions,
  ) {
    this.plot = new uPlot(this.build(), [[], []], host);
  }

  set(series: Series, fromMs: number, toMs: number): void {
    this.series = series;
    this.options.fromMs = fromMs;
    this.options.toMs = toMs;
    this.plot.setData(columns(series) as uPlot.AlignedData, true);
  }

  /** Other setpoints or another alarm: kept in the options that the drawing reads. */
  change(some: Partial<LineOptions>): void {
    Object.assign(this.options, some);
    this.plot.redraw(true);
  }

  resize(width: number, height: number): void {
    this.plot.setSize({ width, height });
  }

  destroy(): void {
    this.plot.destroy();
    this.host.replaceChildren();
  }

  private build(): uPlot.Options {
    const options = this.options;
    const axis = {
      stroke: token("fg-2"),
      font: fontOf(FONT * options.scale),
      grid: { stroke: token("line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: options.width,
      height: options.height,
      padding: [8, 8, 0, 0],
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Asia/Shanghai"),
      legend: { show: false },
      cursor: {
        points: { size: 7, fill: token("bg-1"), stroke: token("accent"), width: 2 },
        drag: { x: false, y: false },
        y: false,
      },
      scales: {
        x: { time: true, range: () => [options.fromMs / 1000, options.toMs / 1000] },
        y: { range: () => scaleOf(this.series.v.map((v, i) => (this.series.q[i] === 2 ? null : v)), options.limits) },
      },
      axes: [
        {
          ...axis,
          size: 12 + 12 * options.scale,
          gap: 4,
          space: (options.compact ? 56 : 80) * options.scale,
          values: (_, splits) => {
            const long = options.toMs - options.fromMs > 36 * 3600_000;
            return splits.map((s) => (long ? dateTime(s * 1000).slice(5, 10) : hourMinute(s * 1000)));
          },
        },
        {
          ...axis,
          size: (_, values) => 16 + 7 * options.scale * Math.max(3, ...(values ?? []).map((v) => String(v).length)),
          gap: 4,
          space: options.compact ? 28 : 36,
          values: (_, splits) => {
            const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
            const digits = digitsOf(step); // also where the instrument shows fewer: ticks must differ
            return splits.map((s) => number(s, digits));
          },
        },
      ],
      series: [{}, { stroke: token("s1"), width: 1.5, spanGaps: false, points: { show: false } }],
      hooks: {
        drawClear: [(u) => this.under(u)],
        draw: [(u) => this.over(u)],
        setCursor: [(u) => options.onCursor?.(u.cursor.idx ?? null)],
      },
    };
  }

  /** Under the line: the span after the last reading when data has stopped. */
  private under(u: uPlot): void {
    const { t } = this.series;
    const last = t[t.length - 1];
    const to = this.options.toMs;
    if (last === undefined || to - last <= Math.max(10 * this.options.periodMs, 50_000)) return;
    const { ctx, bbox } = u;
    const x = Math.max(u.valToPos(last / 1000, "x", true), bbox.left);
    const width = bbox.left + bbox.width - x;
    if (width < 2) return;
    ctx.save();
    ctx.fillStyle = token("bg-2");
    ctx.fillRect(x, bbox.top, width, bbox.height);
    if (width > 40 * devicePixelRatio) {
      ctx.fillStyle = token("stale");
      ctx.font = fontOf(FONT * devicePixelRatio);
      ctx.textAlign = "center";
      ctx.textBaseline = "middle";
      ctx.fillText(this.options.lost, x + width / 2, bbox.top + bbox.height / 2);
    }
    ctx.restore();
  }

  /** Over the line: setpoints (an arrow at the edge when one lies outside), the alarm's moment, uncertain points. */
  private over(u: uPlot): void {
    const { ctx, bbox } = u;
    const pixel = devicePixelRatio;
    const [low, high] = [u.scales.y.min!, u.scales.y.max!];
    ctx.save();
    ctx.font = fontOf(FONT * this.options.scale * pixel);
    ctx.textBaseline = "alphabetic";
    let above = 0;
    let below = 0;
    for (const limit of this.options.limits) {
      const colour = token(`l${limit.priority}-text`);
      const words = `${limit.words} ${number(limit.setpoint, this.options.decimals)}`;
      ctx.strokeStyle = ctx.fillStyle = colour;
      if (limit.setpoint > high || limit.setpoint < low) {
        const up = limit.setpoint > high;
        if (this.options.compact && (up ? above : below)) continue;
        const y = up ? bbox.top + (14 + 15 * above++) * pixel : bbox.top + bbox.height - (5 + 15 * below++) * pixel;
        ctx.textAlign = "right";
        ctx.globalAlpha = 0.85;
        this.words(ctx, `${up ? "↑" : "↓"} ${words}`, bbox.left + bbox.width - 4 * pixel, y);
        ctx.globalAlpha = 1;
        continue;
      }
      const y = Math.round(u.valToPos(limit.setpoint, "y", true));
      ctx.lineWidth = 1.5 * pixel;
      ctx.setLineDash([6 * pixel, 4 * pixel]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.setLineDash([]);
      const side = this.freeSide(limit.setpoint);
      ctx.textAlign = side;
      const x = side === "right" ? bbox.left + bbox.width - 4 * pixel : bbox.left + 4 * pixel;
      const inside = y - bbox.top > 18 * this.options.scale * pixel;
      this.words(ctx, words, x, inside ? y - 4 * pixel : y + 13 * this.options.scale * pixel);
    }
    const { markMs, markLevel } = this.options;
    if (markMs !== null && markLevel && markMs >= this.options.fromMs && markMs <= this.options.toMs) {
      const x = Math.round(u.valToPos(markMs / 1000, "x", true));
      ctx.strokeStyle = ctx.fillStyle = token(`l${markLevel}-text`);
      ctx.lineWidth = 1 * pixel;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 5 * pixel, bbox.top);
      ctx.lineTo(x + 5 * pixel, bbox.top);
      ctx.lineTo(x, bbox.top + 7 * pixel);
      ctx.fill();
    }
    ctx.strokeStyle = token("l2-text");
    ctx.fillStyle = token("bg-1");
    ctx.lineWidth = 1.5 * pixel;
    const { t, v, q } = this.series;
    for (let i = 0; i < t.length; i++) {
      if (q[i] !== 1 || v[i] === null) continue;
      ctx.beginPath();
      ctx.arc(u.valToPos(t[i] / 1000, "x", true), u.valToPos(v[i]!, "y", true), 2.5 * pixel, 0, 2 * Math.PI);
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  }

  /** The end of a setpoint's line that is farther from the curve: its words go there. */
  private freeSide(setpoint: number): "left" | "right" {
    const { t, v } = this.series;
    const { fromMs, toMs } = this.options;
    const near = { left: Infinity, right: Infinity };
    for (let i = 0; i < t.length; i++) {
      const place = (t[i] - fromMs) / (toMs - fromMs);
      const value = v[i];
      if (value === null || (place > 0.3 && place < 0.7)) continue;
      const side = place < 0.5 ? "left" : "right";
      near[side] = Math.min(near[side], Math.abs(value - setpoint));
    }
    return near.left > near.right ? "left" : "right";
  }

  private words(ctx: CanvasRenderingContext2D, text: string, x: number, y: number): void {
    const fill = ctx.fillStyle;
    const stroke = ctx.strokeStyle;
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.strokeStyle = token("bg-1");
    ctx.lineJoin = "round";
    ctx.strokeText(text, x, y);
    ctx.fillStyle = fill;
    ctx.fillText(text, x, y);
    ctx.strokeStyle = stroke;
  }
}
