// SPDX-License-Identifier: Apache-2.0
//
// The log that is on screen, so that the keyboard can pause it without knowing the component.
import type { LogFollow } from "./logs";

let current: LogFollow | null = null;

export function setCurrentLog(log: LogFollow | null): void {
  current = log;
}

export function toggleLogPause(): void {
  if (!current) return;
  if (current.paused.peek()) current.resume();
  else current.pause();
}
