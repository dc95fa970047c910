import { createApp } from "vue";
import { i18n } from "@/lib/i18n";
import "@/styles/screen.css";
import "./site.css";
import Site from "./Site.vue";

const host = document.getElementById("screen");
if (host?.dataset.site) createApp(Site, { code: host.dataset.site }).use(i18n).mount(host);
