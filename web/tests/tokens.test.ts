import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const css = readFileSync("../src/fengsui/show/portal/static/portal/tokens.css", "utf8");

function tokens(block: string): Record<string, string> {
  return Object.fromEntries([...block.matchAll(/--em-([\w-]+):\s*(#[0-9a-f]{6})/g)].map(([, name, value]) => [name, value]));
}

const [light, dark] = css.split(':root[data-theme="dark"]').map(tokens);

/** Relative luminance and contrast as in WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

for (const [theme, t] of Object.entries({ light, dark: { ...light, ...dark } })) {
  test(`${theme}: text can be read on every ground`, () => {
    for (const ground of ["bg-0", "bg-1", "bg-2"]) {
      for (const ink of ["fg-0", "fg-1", "fg-2", "accent", "ok", "drill", "stale"]) {
        expect(contrast(t[ink], t[ground]), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      }
    }
    expect(contrast(t["accent-fg"], t.accent)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(t.accent, t["accent-soft"])).toBeGreaterThanOrEqual(4.5);
    expect(contrast(t["map-text"], t.land)).toBeGreaterThanOrEqual(4.5);
    for (const ink of ["fg-0", "fg-1", "fg-2"]) {
      expect(contrast(t[ink], t["accent-soft"]), `${ink} on accent-soft`).toBeGreaterThanOrEqual(4.5);
    }
  });

  test(`${theme}: a level can be read, and its edge be seen`, () => {
    for (const level of [1, 2, 3, 4]) {
      expect(contrast(t[`l${level}-ink`], t[`l${level}-fill`]), `ink of ${level}`).toBeGreaterThanOrEqual(5.5);
      for (const ground of ["bg-1", "bg-0", `l${level}-soft`]) {
        expect(contrast(t[`l${level}-text`], t[ground]), `text of ${level} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      }
      for (const ink of ["fg-0", "fg-1", "fg-2"]) {
        expect(contrast(t[ink], t[`l${level}-soft`]), `${ink} on soft ${level}`).toBeGreaterThanOrEqual(4.5);
      }
      const edge = Math.max(contrast(t[`l${level}-fill`], t["bg-1"]), contrast(t[`l${level}-text`], t["bg-1"]));
      expect(edge).toBeGreaterThanOrEqual(3);
    }
  });

  test(`${theme}: the edge of a control can be seen`, () => {
    for (const ground of ["bg-0", "bg-1"]) {
      expect(contrast(t["line-strong"], t[ground]), ground).toBeGreaterThanOrEqual(3);
    }
  });
}
