// What the page shows at this moment, and who wants to know when it changes.

/** Observable values: `set({a: 1})` tells the listeners of `a`, once each, in the order they were added. */
export function makeState(initial) {
  const listeners = [];
  const state = { ...initial };
  state.on = (names, listener) => listeners.push({ names, listener });
  state.set = (changes) => {
    const changed = Object.keys(changes).filter((k) => state[k] !== changes[k]);
    if (!changed.length) return;
    Object.assign(state, changes);
    for (const { names, listener } of listeners)
      if (names.some((k) => changed.includes(k))) listener(state, changed);
  };
  return state;
}
