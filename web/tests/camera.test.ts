import { expect, test } from "vitest";
import { fresh, parts } from "@/screens/camera/list";

const LIST = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="open-1.mp4"
#EXTINF:1.040,
part-7.m4s
#EXTINF:1.000,
part-8.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="open-2.mp4"
#EXTINF:0.960,
part-9.m4s
`;

test("a list is read with the opening of each part", () => {
  expect(parts(LIST)).toEqual([
    { name: "part-7.m4s", seconds: 1.04, opening: "open-1.mp4" },
    { name: "part-8.m4s", seconds: 1, opening: "open-1.mp4" },
    { name: "part-9.m4s", seconds: 0.96, opening: "open-2.mp4" },
  ]);
  expect(parts("")).toEqual([]);
  expect(parts("#EXTINF:1,\npart-1.m4s")).toEqual([]); // nothing can be played without its opening
});

test("only what is new is loaded, and the newest after a gap", () => {
  const list = parts(LIST);
  const names = (last: string) => fresh(list, last).map((part) => part.name);
  expect(names("part-7.m4s")).toEqual(["part-8.m4s", "part-9.m4s"]);
  expect(names("part-9.m4s")).toEqual([]);
  expect(names("part-1.m4s")).toEqual(["part-8.m4s", "part-9.m4s"]);
  expect(names("")).toEqual(["part-8.m4s", "part-9.m4s"]);
});
