// As much of a browser as the script of a replay's page needs, and what a reader would do with it.
"use strict";
class Element {
  constructor(name) { this.name = name; this.children = []; this.attributes = {}; this.style = {}; this.listeners = {}; this.textContent = ""; this.value = "0"; }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.children = nodes; }
  addEventListener(name, run) { this.listeners[name] = run; }
  all() { return [this, ...this.children.flatMap(child => child instanceof Element ? child.all() : [])]; }
}
const known = {}, keys = {};
for (const id of ["title", "source", "play", "moment", "count", "map", "agents", "place", "legend", "reading"]) known[id] = new Element(id);
globalThis.document = {
  title: "",
  createElement: name => new Element(name),
  createElementNS: (space, name) => new Element(name),
  getElementById: id => known[id],
  addEventListener: (name, run) => { keys[name] = run; },
};
globalThis.setInterval = () => 1;
globalThis.clearInterval = () => {};
/*SCRIPT*/
const press = key => keys.keydown({key, target: null, preventDefault() {}});
const status = agent => content.agents[agent].status.textContent;
const told = {start: status(0)};
press("ArrowRight");
press("ArrowRight");
told.moved = status(0);
known.moment.listeners.input({target: {value: "99"}});
told.end = status(0);
told.other = status(1);
const strip = known.agents.all().find(element => element.attributes.class === "strip");
strip.listeners.click({offsetX: 3, offsetY: 4 * 9 + 2});
told.clicked = status(0);
told.bars = content.agents[0].choices.children.length;
told.lit = content.agents[0].squares.flat().filter(square => square.attributes.fill.endsWith(",0.600)")).length;
told.legend = known.legend.children.map(entry => entry.children[1].textContent);
known.play.listeners.click();
told.playing = known.play.textContent;
console.log(JSON.stringify(told));
