// SPDX-License-Identifier: Apache-2.0
//
// The state of a service; while something that a person asked for is under way, that.
import type { JSX } from "preact";
import { t } from "../i18n";
import { serviceKey, type Service } from "../store/types";
import { workingOn } from "../store/working";
import { Mark, StateMark } from "./StateMark";

export function ServiceState({ service }: { service: Service }): JSX.Element {
  const working = workingOn(serviceKey(service.project, service.name));
  if (!working) return <StateMark state={service.state} />;

  return (
    <span class="state busy" data-state={service.state} data-working={working.verb} aria-busy="true">
      <Mark shape={working.verb === "stop" ? "stopping" : "starting"} />
      {t.value.working[working.verb]}
    </span>
  );
}
