// SPDX-License-Identifier: Apache-2.0
//
// The logs of all services, or of one (?service=), with the search in the URL (?q=).
import type { JSX } from "preact";
import { LogView } from "../components/LogView";
import { t } from "../i18n";
import { query, setQuery } from "../lib/router";
import { replicaName } from "../store/types";
import { allServices, known, projects } from "../store/store";

export function LogsPage(): JSX.Element | null {
  const words = t.value.logs;
  const service = query.value.get("service") ?? "";
  const replica = service ? (query.value.get("replica") ?? "") : "";
  const names = [...new Set(allServices.value.map((one) => one.name))];
  // With one service chosen, only the projects that have it are asked.
  const asked = service ? projects.value.filter((p) => allServices.value.some((s) => s.project === p && s.name === service)) : projects.value;
  if (!known.value) return null;

  return (
    <div class="logs-page">
      <h1>{words.title}</h1>
      <LogView
        key={`${service} ${replica} ${asked.join()}`}
        projects={asked}
        service={service}
        replica={replica}
        search={query.value.get("q") ?? ""}
        onSearch={(text) => setQuery("q", text)}
      >
        <select
          class="field"
          aria-label={words.service}
          value={service}
          onChange={(event) => (setQuery("replica", ""), setQuery("service", event.currentTarget.value))}
        >
          <option value="">{words.allServices}</option>
          {names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        {replica && (
          <button type="button" class="button" aria-pressed="true" onClick={() => setQuery("replica", "")}>
            {words.onlyReplica(replicaName(service, replica))} ×
          </button>
        )}
      </LogView>
    </div>
  );
}
