// SPDX-License-Identifier: Apache-2.0
//
// t.value is the table of texts in the chosen language; a component that reads it redraws when it changes.
import { computed } from "@preact/signals";
import { lang } from "../lib/prefs";
import { en, type Messages } from "./en";
import { es } from "./es";

export const t = computed<Messages>(() => (lang.value === "es" ? es : en));
