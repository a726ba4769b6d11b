// SPDX-License-Identifier: Apache-2.0
//
// Shown when the API says 401, and at /login?token=…: the link that `muelle up` prints.
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { CopyLine } from "../components/CopyLine";
import { t } from "../i18n";
import { navigate, page, query } from "../lib/router";
import { explain } from "../store/actions";
import { ApiError, post } from "../store/api";
import { retryStream } from "../store/stream";

export function LoginPage(): JSX.Element {
  const words = t.value.login;
  const working = useSignal(false);
  const problem = useSignal("");

  const enter = async (token: string): Promise<void> => {
    working.value = true;
    problem.value = "";
    try {
      await post("/api/v1/session", { token });
      // The token must not stay in the address bar or the history.
      if (page.peek().name === "login") navigate("/", true);
      retryStream();
    } catch (error) {
      const denied = error instanceof ApiError && (error.status === 401 || error.status === 403);
      problem.value = denied ? t.peek().login.wrong : explain(error);
    } finally {
      working.value = false;
    }
  };

  useEffect(() => {
    const token = query.peek().get("token");
    if (token) void enter(token);
  }, []);

  const submit = (event: Event): void => {
    event.preventDefault();
    const token = new FormData(event.currentTarget as HTMLFormElement).get("token");
    void enter(String(token ?? "").trim());
  };

  return (
    <main class="login" id="main">
      <h1>{words.title}</h1>
      <p>{words.body}</p>
      <CopyLine command="muelle up" />
      <p>{words.body2}</p>
      <CopyLine command="muelle status" />
      <form onSubmit={submit}>
        <label>
          {words.paste}
          <input class="field mono" name="token" type="password" autocomplete="off" required aria-label={words.token} />
        </label>
        <button class="button main" disabled={working.value}>
          {working.value ? words.working : words.submit}
        </button>
      </form>
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </main>
  );
}
