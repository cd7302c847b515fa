// What is built for the page: a base of one static program, and contexts that fail, say much, or want to be markup.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const SHELL = (script) => `RUN ["/bin/busybox", "sh", "-c", ${JSON.stringify(script)}]`;
const slowly = (verb, names) => SHELL(`for part in ${names}; do echo ${verb} $part; /bin/busybox sleep 0.8; done`);

const PACKAGES = ["cart", "prices", "search"].map((name, number) => `Package: lib${name}
Status: install ok installed
Architecture: amd64
Version: 1.${number}-2
Maintainer: Shop <shop@example.com>
Description: the ${name} of the shop
`).join("\n");

const CONTEXTS = {
  "shop/Dockerfile": `FROM scratch AS base
ADD busybox /bin/busybox
COPY status /var/lib/dpkg/status

FROM base AS backend
COPY src /src
${slowly("compiled", "cart prices search orders payments")}
RUN ["/bin/busybox", "cp", "/src/server", "/server"]

FROM base AS assets
COPY theme /theme
${slowly("packed", "styles icons fonts")}
${SHELL("/bin/busybox cat /theme/* > /assets")}

FROM base
MAINTAINER shop@example.com
COPY --from=backend /server /usr/bin/server
COPY --from=assets /assets /usr/share/shop/assets
RUN ["/bin/busybox", "chmod", "755", "/usr/bin/server"]
ENV SHOP_PORT=8080
EXPOSE 8080
CMD ["/usr/bin/server"]
`,
  "shop/status": PACKAGES,
  "shop/src/server": "the server\n",
  "shop/theme/one": "a style\n",
  "shop/theme/two": "an icon\n",
  "failing/Dockerfile": `FROM scratch
ADD busybox /bin/busybox
RUN ["/bin/busybox", "echo", "this still works"]
${SHELL("echo about to fail; echo it has no such file >&2; exit 3")}
RUN ["/bin/busybox", "echo", "never reached"]
`,
  "chatty/Dockerfile": `FROM scratch
ADD busybox /bin/busybox
${SHELL("n=0; while [ $n -lt 10000 ]; do n=$((n + 1)); echo line $n of what a chatty compiler says; done")}
`,
  "hostile/Dockerfile": `# <script>alert(1)</script>
FROM scratch AS tools
ADD busybox /bin/busybox
${SHELL("echo '<img src=x onerror=alert(1)>'; echo '</pre><script>alert(2)</script>'; printf '\\\\033[2J\\\\n'; echo > '/<b>file'")}
LABEL note="<b>bold</b>" other="</li><script>alert(3)</script>"
CMD ["/bin/busybox", "<i>"]
`,
};

// Writes them below a directory.
export function contexts(top) {
  for (const [name, text] of Object.entries(CONTEXTS)) {
    mkdirSync(dirname(join(top, name)), { recursive: true });
    writeFileSync(join(top, name), text);
  }
  if (!existsSync("/bin/busybox")) throw new Error("busybox-static is needed");
  for (const name of Object.keys(CONTEXTS).filter((one) => one.endsWith("/Dockerfile"))) {
    copyFileSync("/bin/busybox", join(top, dirname(name), "busybox"));
  }
}
