// SPDX-License-Identifier: Apache-2.0
//
// Is it all right, what changed, what do I do: in that order.
import type { JSX } from "preact";
import { EventList } from "../components/EventList";
import { Empty } from "../components/Empty";
import { CopyLine } from "../components/CopyLine";
import { Link } from "../components/Link";
import { ServiceTable } from "../components/ServiceTable";
import { Mark } from "../components/StateMark";
import { Strip } from "../components/Strip";
import { t } from "../i18n";
import { health, healthSentence } from "../store/health";
import { events, known } from "../store/store";

const RECENT = 10;

function Nothing(): JSX.Element {
  const words = t.value.overviewEmpty;

  return (
    <Empty hint={words.hint} command="muelle up">
      <p>{words.hint2}</p>
      <CopyLine command="muelle init" />
    </Empty>
  );
}

export function Overview(): JSX.Element {
  const { overview, nav } = t.value;
  // That a replica starts is only half a piece of news: how it went comes right after.
  const recent = events.value.filter((row) => row.kind !== "replica.starting").slice(0, RECENT);

  return (
    <div>
      <div class="lead">
        <Mark shape={health.value.tone} />
        <h1>{healthSentence(t.value)}</h1>
      </div>
      {health.value.total > 0 && <Strip />}
      <section class="section" aria-label={nav.services}>
        {health.value.total > 0 ? <ServiceTable /> : known.value && <Nothing />}
      </section>
      {events.value.length > 0 && (
        <section class="section">
          <header>
            <h2>{overview.changed}</h2>
            <span class="end">
              <Link to="/events">{overview.all}</Link>
            </span>
          </header>
          <EventList rows={recent} />
        </section>
      )}
    </div>
  );
}
