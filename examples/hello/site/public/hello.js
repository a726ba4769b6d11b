// SPDX-License-Identifier: Apache-2.0
const show = (id, text) => (document.getElementById(id).textContent = text);

const source = new EventSource("/events");
source.onmessage = (event) => {
  for (const [name, value] of Object.entries(JSON.parse(event.data))) show(name, value.toLocaleString());
};
source.addEventListener("problem", (event) => show("said", JSON.parse(event.data).detail));
source.onerror = () => show("said", "waiting for the gateway…");

document.getElementById("job").addEventListener("click", async () => {
  const response = await fetch("/api/jobs", { method: "POST" });
  const replica = response.headers.get("X-Muelle-Replica") ?? "a replica";
  show("said", response.ok ? `${replica} took it.` : `${replica} answered ${response.status}.`);
});
