// SPDX-License-Identifier: Apache-2.0
//
// Runs before the first paint, as a file of its own because the page's policy allows no inline script:
// a chosen theme and language must be on <html> before anything is drawn, else the page flashes.
{
  const root = document.documentElement;
  const theme = localStorage.getItem("muelle.theme");
  const lang = localStorage.getItem("muelle.lang") ?? navigator.language.slice(0, 2);

  const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";

  root.dataset["theme"] = theme === "light" || theme === "dark" ? theme : system;
  root.lang = lang === "es" ? "es" : "en";
}
