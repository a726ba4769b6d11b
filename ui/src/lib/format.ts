// SPDX-License-Identifier: Apache-2.0
//
// Numbers with the units people use, in the viewer's language and zone. Pure, apart from the language.
import { lang } from "./prefs";

const cache = new Map<string, Intl.NumberFormat>();

function number(value: number, digits: number): string {
  const key = `${lang.value}/${digits}`;
  let format = cache.get(key);

  if (!format) {
    format = new Intl.NumberFormat(lang.value, { maximumFractionDigits: digits, minimumFractionDigits: digits });
    cache.set(key, format);
  }
  return format.format(value);
}

const MISSING = "–";
type Maybe = number | null | undefined;

const missing = (value: Maybe): value is null | undefined => value === null || value === undefined || Number.isNaN(value);

export const integer = (value: Maybe): string => (missing(value) ? MISSING : number(value, 0));

/** Three significant figures at most: an instrument, not a dump. */
export function short(value: Maybe): string {
  if (missing(value)) return MISSING;
  const size = Math.abs(value);
  return number(value, size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 1 : 2);
}

export const percent = (value: Maybe): string =>
  missing(value) ? MISSING : `${number(value, value >= 0.05 && value < 9.95 ? 1 : 0)} %`;

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytes(value: Maybe): string {
  if (missing(value)) return MISSING;
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${number(scaled, unit > 1 && scaled < 99.95 ? 1 : 0)} ${BYTE_UNITS[unit]}`;
}

export function millis(value: Maybe): string {
  if (missing(value)) return MISSING;
  return value >= 1000 ? `${number(value / 1000, 2)} s` : `${short(value)} ms`;
}

export const perSecond = (value: Maybe): string => (missing(value) ? MISSING : `${short(value)}/s`);

/** "4 s", "12 min", "3 h 20 min", "5 d": how long something lasts. The same in both languages. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function ago(time: number, now: number): string {
  const seconds = Math.round((now - time) / 1000);
  const format = new Intl.RelativeTimeFormat(lang.value, { numeric: "auto", style: "short" });

  if (seconds < 60) return format.format(-Math.max(0, seconds), "second");
  if (seconds < 3600) return format.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 48 * 3600) return format.format(-Math.floor(seconds / 3600), "hour");
  return format.format(-Math.floor(seconds / 86400), "day");
}

export const exact = (time: number): string =>
  new Date(time).toLocaleString(lang.value, { dateStyle: "full", timeStyle: "long" });

/** Two digits and 00 for midnight in every language. */
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;

export const clock = (time: number): string => new Date(time).toLocaleTimeString(lang.value, { ...CLOCK, second: "2-digit" });

export const clockShort = (time: number): string => new Date(time).toLocaleTimeString(lang.value, CLOCK);

/** Milliseconds too: the order of two log lines is often below a second. Built by hand, 30 times faster. */
export function logTime(time: string): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, "0");

  if (Number.isNaN(date.getTime())) return time;
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
