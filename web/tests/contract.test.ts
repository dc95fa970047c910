// @vitest-environment node
import { readFileSync } from "node:fs";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { expect, test } from "vitest";

test("openapi.d.ts is what `npm run api` makes of the golden openapi.json", async () => {
  const golden = JSON.parse(readFileSync("../tests/show/openapi.json", "utf8"));
  const made = COMMENT_HEADER + astToString(await openapiTS(golden));
  expect(readFileSync("src/lib/openapi.d.ts", "utf8")).toBe(made);
});
