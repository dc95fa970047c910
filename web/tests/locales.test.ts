import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "@/locales/en.json";
import zh from "@/locales/zh-Hans.json";

type Tree = { [key: string]: string | Tree };

function flat(tree: Tree, at = ""): Record<string, string> {
  return Object.entries(tree).reduce<Record<string, string>>((out, [key, value]) => {
    return { ...out, ...(typeof value === "string" ? { [at + key]: value } : flat(value, `${at}${key}.`)) };
  }, {});
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.(vue|ts)$/.test(path) && !path.endsWith("openapi.d.ts") ? [path] : [];
  });
}

const files = sources("src");
const read = (path: string) => readFileSync(path, "utf8");

test("both languages have the same keys with the same placeholders", () => {
  const [a, b] = [flat(en as Tree), flat(zh as Tree)];
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  for (const key of Object.keys(a)) {
    const names = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
    expect(names(a[key]), key).toEqual(names(b[key]));
  }
});

test("every key that the code names exists, and none is left over", () => {
  const known = new Set(Object.keys(flat(en as Tree)));
  const text = files.map(read).join("\n");
  for (const [, key] of text.matchAll(/\bt\(\s*"([\w.]+)"/g)) expect(known, key).toContain(key);
  const made = [...text.matchAll(/`([a-z]+\.[\w.]*)\$\{/g)].map(([, prefix]) => prefix);
  const unused = [...known].filter(
    (key) => !text.includes(`"${key}"`) && !text.includes(`'${key}'`) && !made.some((prefix) => key.startsWith(prefix)) && !key.startsWith("page."),
  );
  expect(unused).toEqual([]);
});

test("no words for people stand in the code of a screen", () => {
  for (const path of files) {
    const code = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*|<!--[\s\S]*?-->/g, "");
    expect(code.replaceAll("（", "").replaceAll("）", ""), path).not.toMatch(/[\u4e00-\u9fff]/);
  }
});

test("nothing writes HTML from a string, and no template has an inline style", () => {
  for (const path of files) {
    expect(read(path), path).not.toMatch(/v-html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/);
    if (path.endsWith(".vue")) expect(read(path), path).not.toMatch(/\sstyle="/);
  }
});
