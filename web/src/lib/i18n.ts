/** Words in the language of the page.  Names of things come in both from the API; `named` picks one. */

import { createI18n, useI18n } from "vue-i18n";
import en from "@/locales/en.json";
import zh from "@/locales/zh-Hans.json";
import type { Alarm } from "./api";
import { span } from "./format";

export const language = document.documentElement.lang.toLowerCase().startsWith("zh") ? "zh-Hans" : "en";

export const i18n = createI18n({
  legacy: false,
  locale: language,
  fallbackLocale: "en",
  messages: { en, "zh-Hans": zh },
  missingWarn: false,
  fallbackWarn: false,
});

export function named(thing: { name: string; name_en?: string | null }): string {
  return (language === "en" && thing.name_en) || thing.name;
}

/** What a page calls a loop, its step or its kind: the same pair under other names. */
export function either(zh: string, en: string): string {
  return (language === "en" && en) || zh;
}

/** Why a scenario rule or a detector raised an alarm; "" where a limit did. */
export function causeOf(alarm: Pick<Alarm, "by">): string {
  return alarm.by ? either(alarm.by.cause, alarm.by.cause_en) : "";
}

export function useWords() {
  const { t } = useI18n();
  return {
    t,
    named,
    /** `储罐液位 · 高限`; of a detector also its name: `反应器温度 · 异常检测 反应单元` */
    whatIs(alarm: Pick<Alarm, "datastream" | "kind" | "by">): string {
      const who = alarm.by?.what === "detector" ? ` ${named(alarm.by)}` : "";
      return `${named(alarm.datastream)} · ${t(`kind.${alarm.kind}`)}${who}`;
    },
    /** `3 分钟前` / `3 min ago` */
    ago(ms: number): string {
      const { unit, n } = span(ms);
      return t(`age.${unit}`, { n });
    },
    /** `3 分钟` / `3 min` */
    lasting(ms: number): string {
      const { unit, n } = span(ms);
      return t(`span.${unit}`, { n });
    },
  };
}
