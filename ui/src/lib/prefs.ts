// SPDX-License-Identifier: Apache-2.0
//
// What this browser prefers: theme and language. Kept in localStorage, read by boot.ts before first paint.
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
export type Lang = "en" | "es";

const stored = localStorage.getItem("muelle.theme");

export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "auto");
export const lang = signal<Lang>(document.documentElement.lang === "es" ? "es" : "en");
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
/** Changes when the colours do, for what is drawn on a canvas and cannot use custom properties by itself. */
export const dark = signal(false);

function show(): void {
  dark.value = theme.value === "dark" || (theme.value === "auto" && systemDark.matches);
  document.documentElement.dataset["theme"] = dark.value ? "dark" : "light";
}

effect(show);
systemDark.addEventListener("change", show);
effect(() => {
  document.documentElement.lang = lang.value;
});

export function setTheme(next: Theme): void {
  theme.value = next;
  if (next === "auto") localStorage.removeItem("muelle.theme");
  else localStorage.setItem("muelle.theme", next);
}

export function toggleTheme(): void {
  setTheme(dark.value ? "light" : "dark");
}

export function setLang(next: Lang): void {
  lang.value = next;
  localStorage.setItem("muelle.lang", next);
}
