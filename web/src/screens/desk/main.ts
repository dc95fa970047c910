import { createApp, defineAsyncComponent } from "vue";
import { i18n } from "@/lib/i18n";
import "@/styles/screen.css";
import "./desk.css";

const host = document.getElementById("screen");
if (host) {
  const isWall = host.dataset.mode === "wall";
  const root = isWall
    ? defineAsyncComponent(() => import("./Wall.vue"))
    : defineAsyncComponent(() => import("./Desk.vue"));
  createApp(root).use(i18n).mount(host);
}
