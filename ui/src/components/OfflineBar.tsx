// SPDX-License-Identifier: Apache-2.0
//
// muelle does not answer: says so, says how old the page is, and when it tries again.
import type { JSX } from "preact";
import { t } from "../i18n";
import { duration } from "../lib/format";
import { retryStream } from "../store/stream";
import { heardAt, now, retryAt } from "../store/store";

export function OfflineBar(): JSX.Element {
  const words = t.value.link;
  const seconds = Math.ceil((retryAt.value - now.value) / 1000);

  return (
    <div class="offline" role="alert">
      <span>{words.offlineSince(duration(now.value - heardAt.value))}</span>
      <span aria-live="off">{seconds > 0 ? words.retryIn(seconds) : words.retrying}</span>
      <button type="button" class="button" onClick={retryStream}>
        {t.value.action.retry}
      </button>
    </div>
  );
}
