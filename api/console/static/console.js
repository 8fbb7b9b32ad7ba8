// The screen of one server: noVNC's core on a websocket whose path is in this page's address, as Nova's consoles have it.
import RFB from "/core/rfb.js";

const status = document.getElementById("status");
const keys = document.getElementById("keys");
const path = new URLSearchParams(window.location.search).get("path") || "";
const scheme = window.location.protocol === "https:" ? "wss" : "ws";

// the address opens a console once: nobody who looks at the history or the address bar should find it there
window.history.replaceState(null, "", window.location.pathname);

const rfb = new RFB(document.getElementById("screen"), `${scheme}://${window.location.host}/${path.replace(/^\//, "")}`, {
    wsProtocols: ["binary"],
});
rfb.scaleViewport = true;
rfb.addEventListener("connect", () => {
    status.textContent = "Connected";
    keys.disabled = false;
});
rfb.addEventListener("desktopname", (event) => {
    status.textContent = `Connected to ${event.detail.name}`; // textContent: a guest's words are never markup (CON-07)
});
rfb.addEventListener("disconnect", (event) => {
    keys.disabled = true;
    status.textContent = event.detail.clean
        ? "Disconnected"
        : "The console was closed, or this address was used already or is too old: ask for a new one.";
});
keys.addEventListener("click", () => rfb.sendCtrlAltDel());
