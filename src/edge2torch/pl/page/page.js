"use strict";
// A network of named nodes: found by name, moved with the mouse, with details of what is under the pointer.
(() => {
  const network = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const make = (tag, text) => Object.assign(document.createElement(tag), { textContent: text ?? "" });
  const font = '"DejaVu Sans", Verdana, sans-serif';

  const cy = cytoscape({
    container: element("network"),
    elements: { nodes: network.nodes, edges: network.edges },
    layout: { name: "preset" },
    minZoom: 0.001, // thousands of nodes fit, too
    maxZoom: 6,
    boxSelectionEnabled: false,
    style: [
      { selector: "node", style: {
        shape: "round-rectangle", width: "data(width)", height: "data(height)", "background-color": "data(colour)",
        "border-width": 1, "border-color": "#595959", label: "data(text)", color: "data(ink)", "font-size": "data(letters)",
        "font-family": font, "text-wrap": "wrap", "text-valign": "center", "text-halign": "center" } },
      { selector: 'node[kind = "input"]', style: { "font-style": "italic" } },
      { selector: 'node[kind = "output"]', style: { "font-weight": "bold" } },
      { selector: "node[disc]", style: {
        "background-image": "data(disc)", "background-fit": "none",
        "background-position-x": "data(left)", "background-position-y": "50%", "background-clip": "none",
        "background-image-containment": "over", "text-margin-x": "data(shift)" } },
      { selector: "node[?link]", style: { "border-style": "dashed" } },
      { selector: "edge", style: {
        "curve-style": "straight", "source-endpoint": "90deg", "target-endpoint": "270deg", width: "data(width)", "line-color": "data(colour)", "line-outline-width": 0.4,
        "line-outline-color": "#bfbfbf", "target-arrow-color": "data(colour)", "target-arrow-shape": "triangle",
        "arrow-scale": 0.8 } },
      { selector: "edge[?negative]", style: { "line-style": "dashed", "target-arrow-shape": "tee" } },
      { selector: ".faded", style: { opacity: 0.12 } },
      { selector: ".found", style: { "border-width": 4, "border-color": "#e69f00" } },
      { selector: ".weak", style: { display: "none" } },
    ],
  });

  function clear() {
    cy.elements().removeClass("faded found");
    element("found").textContent = "";
  }

  function only(shown) {
    cy.elements().addClass("faded");
    shown.removeClass("faded");
  }

  // Search: by name or label, anywhere in it, whatever the case.
  function search(go) {
    const wanted = element("search").value.trim().toLowerCase();
    clear();
    if (!wanted) return;
    const has = (node) => [node.id(), node.data("label")].some((name) => name.toLowerCase().includes(wanted));
    const exact = cy.nodes().filter((node) => [node.id(), node.data("label")].some((name) => name.toLowerCase() === wanted));
    const nodes = exact.nonempty() ? exact : cy.nodes().filter(has);
    element("found").textContent = nodes.empty() ? "not found" : `${nodes.length} found`;
    if (nodes.empty()) return;
    only(nodes.closedNeighborhood());
    nodes.addClass("found");
    if (go) cy.animate({ fit: { eles: nodes.closedNeighborhood(), padding: 60 } }, { duration: 250 });
  }
  element("search").addEventListener("input", () => search(false));
  element("search").addEventListener("change", () => search(true));
  for (const name of network.nodes.map((node) => node.data.label).sort()) {
    element("names").append(Object.assign(make("option"), { value: name }));
  }

  // All that leads to a node that is clicked, and all that it leads to.
  cy.on("tap", (event) => {
    clear();
    if (event.target === cy || !event.target.isNode()) return;
    only(event.target.union(event.target.predecessors()).union(event.target.successors()));
    event.target.addClass("found");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    element("search").value = "";
    clear();
  });

  // Details of what is under the pointer.
  cy.on("mouseover", "node, edge", (event) => {
    const details = element("details");
    const rows = make("table");
    for (const [name, value] of event.target.data("details")) {
      const row = rows.insertRow();
      row.append(make("td", name), make("td", value));
    }
    details.replaceChildren(make("h2", event.target.data("title")), rows);
    details.hidden = false;
  });
  cy.on("mousemove", "node, edge", (event) => {
    const details = element("details");
    const at = event.originalEvent;
    details.style.left = `${Math.max(4, Math.min(at.clientX + 14, innerWidth - details.offsetWidth - 8))}px`;
    details.style.top = `${Math.max(4, Math.min(at.clientY + 14, innerHeight - details.offsetHeight - 8))}px`;
  });
  cy.on("mouseout", "node, edge", () => { element("details").hidden = true; });
  cy.on("drag viewport", () => { element("details").hidden = true; });

  // The strongest edges only.
  const strength = network.edges.map((edge) => edge.data.strength).sort((a, b) => b - a);
  element("edges").addEventListener("input", (event) => {
    const n = Math.round(event.target.value / 100 * strength.length);
    cy.edges().forEach((edge) => edge.toggleClass("weak", n === 0 || edge.data("strength") < strength[n - 1]));
  });

  element("fit").addEventListener("click", () => cy.fit(undefined, 20));
  element("picture").addEventListener("click", () => {
    const link = Object.assign(make("a"), { href: cy.png({ full: true, scale: 2, bg: "white" }), download: "network.png" });
    link.click();
  });

  for (const { name, low, high, colours } of network.bars) {
    const bar = Object.assign(make("span"), { className: "bar" });
    const colour = make("i");
    colour.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
    bar.append(make("span", `${name}:`), make("span", low), colour, make("span", high));
    element("legend").append(bar);
  }
  for (const note of network.notes) element("legend").append(make("span", note));
  cy.resize(); // the legend took some of the room
  cy.fit(undefined, 20);
})();
