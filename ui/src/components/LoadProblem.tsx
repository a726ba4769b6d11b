// SPDX-License-Identifier: Apache-2.0
import type { JSX } from "preact";
import { t } from "../i18n";
import { explain } from "../store/actions";

/** Something could not be loaded: what, and what the server says to do about it. */
export function LoadProblem({ error }: { error: unknown }): JSX.Element {
  return (
    <p class="problem" role="alert">
      <strong>{t.value.error.load}.</strong> {explain(error)}
    </p>
  );
}
