// SPDX-License-Identifier: Apache-2.0
//
// Starts the dashboard: one stream, one clock, one keyboard table, one tree.
import { render } from "preact";
import { App } from "./components/App";
import { installKeys } from "./store/keys";
import { now } from "./store/store";
import { openStream } from "./store/stream";
import { installTotals } from "./store/totals";
import { installWorking } from "./store/working";

// Relative times age by this; nothing is asked of the server.
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);

installKeys();
installTotals();
installWorking();
openStream();
render(<App />, document.getElementById("app")!);
