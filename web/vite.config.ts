import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  base: "/static/dist/",
  plugins: [vue({ template: { transformAssetUrls: false } })],
  resolve: { alias: { "@static": at("../src/fengsui/show/portal/static"), "@": at("src") } },
  define: {
    __VUE_OPTIONS_API__: "false",
    __VUE_PROD_DEVTOOLS__: "false",
    __VUE_I18N_FULL_INSTALL__: "false",
    __VUE_I18N_LEGACY_API__: "false",
  },
  worker: { format: "es" },
  build: {
    outDir: at("../src/fengsui/show/portal/static/dist"),
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "chrome100",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    reportCompressedSize: true,
    rolldownOptions: {
      input: {
        pages: at("src/screens/pages/main.ts"),
        desk: at("src/screens/desk/main.ts"),
        site: at("src/screens/site/main.ts"),
        camera: at("src/screens/camera/main.ts"),
        fence: at("src/screens/fence/main.ts"),
        risk: at("src/screens/risk/main.ts"),
        natural: at("src/screens/natural/main.ts"),
        here: at("src/screens/here/main.ts"),
        warning: at("src/screens/warning/main.ts"),
      },
    },
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.ts"] },
});
