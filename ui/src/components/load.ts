// SPDX-License-Identifier: Apache-2.0
//
// Loads what the stream does not carry (routes, configuration), once per page and again when `again`
// changes; keeps the last answer while a new one is on its way. Never by a timer.
import { useSignal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../store/api";

export interface Loaded<T> {
  data: T | null;
  error: unknown;
  at: number;
}

export function useLoad<T>(url: string | null, again: unknown = 0): Signal<Loaded<T>> {
  const state = useSignal<Loaded<T>>({ data: null, error: null, at: 0 });

  useEffect(() => {
    let gone = false;
    if (!url) return;
    get<T>(url).then(
      (data) => {
        if (!gone) state.value = { data, error: null, at: Date.now() };
      },
      (error: unknown) => {
        if (!gone) state.value = { ...state.peek(), error };
      },
    );
    return () => {
      gone = true;
    };
  }, [url, again]);
  return state;
}
