// SPDX-License-Identifier: Apache-2.0
//
// Redraw only when a property changed: preact/compat's memo in ten lines, without preact/compat.
import { Component, h, type ComponentChild, type FunctionComponent } from "preact";

export function memo<P extends object>(render: FunctionComponent<P>): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const [a, b] = [this.props as Record<string, unknown>, next as Record<string, unknown>];
      return Object.keys(b).some((key) => a[key] !== b[key]);
    }

    override render(): ComponentChild {
      return h(render, this.props as P);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
