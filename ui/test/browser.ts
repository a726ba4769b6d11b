// SPDX-License-Identifier: Apache-2.0
//
// The least of a browser that modules touch when they are loaded: preferences and the address bar.
const target = new EventTarget();
const store = new Map<string, string>();

Object.assign(globalThis, {
  window: globalThis,
  document: Object.assign(new EventTarget(), { documentElement: { lang: "en", dataset: {} }, hidden: false }),
  location: { pathname: "/", search: "" },
  history: { pushState: () => undefined, replaceState: () => undefined },
  localStorage: {
    getItem: (key: string) => store.get(key) ?? null,
    setItem: (key: string, value: string) => void store.set(key, value),
    removeItem: (key: string) => void store.delete(key),
  },
  matchMedia: () => Object.assign(new EventTarget(), { matches: false }),
  addEventListener: target.addEventListener.bind(target),
  requestAnimationFrame: (run: () => void) => setTimeout(run, 0),
});
