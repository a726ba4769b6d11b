// SPDX-License-Identifier: Apache-2.0
import type { JSX } from "preact";
import { Link } from "../components/Link";
import { t } from "../i18n";

export function MissingPage(): JSX.Element {
  return (
    <div class="empty">
      <h1>{t.value.missing.title}</h1>
      <Link to="/">{t.value.missing.back}</Link>
    </div>
  );
}
