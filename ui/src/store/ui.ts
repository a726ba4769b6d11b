// SPDX-License-Identifier: Apache-2.0
//
// What this tab is doing: the chosen row, the open dialog, short messages. Nothing here comes from muelle.
import { computed, signal } from "@preact/signals";
import { page } from "../lib/router";
import { serviceKeys, serviceSignal } from "./store";
import { serviceKey, type Service } from "./types";

export type Verb = "start" | "stop" | "restart" | "scale" | "reset" | "down";

export interface Pending {
  verb: Verb;
  project: string;
  service: string;
  replicas: number;
  /** Has routes: stopping it is seen from outside. */
  routed: boolean;
}

export interface Toast {
  id: number;
  text: string;
  detail?: string;
  hint?: string;
  bad: boolean;
  undo?: () => void;
}

export const paletteOpen = signal(false);
export const helpOpen = signal(false);
export const pending = signal<Pending | null>(null);
export const toasts = signal<Toast[]>([]);

/** The row that j and k moved to; a service page chooses its own service. */
export const chosenKey = signal<string | null>(null);

export const chosen = computed<Service | null>(() => {
  const at = page.value;
  const key = at.name === "service" ? serviceKey(at.project, at.service) : chosenKey.value;

  return key ? (serviceSignal(key)?.value ?? null) : null;
});

export function choose(step: 1 | -1): void {
  const keys = serviceKeys.peek();
  if (keys.length === 0) return;
  const at = keys.indexOf(chosenKey.peek() ?? "");
  const next = at < 0 ? (step > 0 ? 0 : keys.length - 1) : Math.min(keys.length - 1, Math.max(0, at + step));

  chosenKey.value = keys[next]!;
}

let toastId = 0;
const TOASTS_MAX = 4;
const TOAST_MS = 6_000;

export function toast(text: string, options: { detail?: string; hint?: string; bad?: boolean; undo?: () => void } = {}): void {
  const added: Toast = { id: ++toastId, text, bad: options.bad ?? false };
  if (options.detail) added.detail = options.detail;
  if (options.hint) added.hint = options.hint;
  if (options.undo) added.undo = options.undo;

  toasts.value = [...toasts.value, added].slice(-TOASTS_MAX);
  // What went wrong stays until it is read.
  if (!added.bad) setTimeout(() => dismiss(added.id), TOAST_MS);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
