// A port of loopback for clients of MCP over HTTP that cannot send a token, or that are to test standard input and output.
// Usage: node mcp-bridge.mjs PORT URL        sends everything on to URL with the token of the environment's TOKEN
//        node mcp-bridge.mjs PORT COMMAND... starts COMMAND for each session and speaks to it line by line
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { createInterface } from 'node:readline';

const [port, target, ...rest] = process.argv.slice(2);
const sessions = new Map();

function forward(request, response) {
    const headers = { ...request.headers, authorization: `Bearer ${process.env.TOKEN}` };
    const on = http.request(target, { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
    });
    on.on('error', (error) => response.destroy(error));
    response.on('close', () => on.destroy());
    request.pipe(on);
}

// A session: the command, and who waits for which answer.
function begin() {
    const child = spawn(target, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    const waiting = new Map();
    createInterface({ input: child.stdout }).on('line', (line) => {
        const message = JSON.parse(line);
        waiting.get(message.id)?.(line);
        waiting.delete(message.id);
    });
    return { child, waiting };
}

async function speak(request, response) {
    let id = request.headers['mcp-session-id'];
    if (request.method === 'DELETE') {
        sessions.get(id)?.child.stdin.end();
        sessions.delete(id);
        return response.writeHead(200).end();
    }
    if (request.method !== 'POST') return response.writeHead(405).end();
    let text = '';
    for await (const part of request) text += part;
    const message = JSON.parse(text);
    if (message.method === 'initialize') sessions.set((id = randomUUID()), begin());
    const session = sessions.get(id);
    if (!session) return response.writeHead(404).end();
    const answered = message.id === undefined || !message.method
        ? undefined : new Promise((answer) => session.waiting.set(message.id, answer));
    session.child.stdin.write(`${JSON.stringify(message)}\n`);
    if (!answered) return response.writeHead(202).end();
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': id }).end(await answered);
}

const server = http.createServer(target.startsWith('http:') ? forward : speak);
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => {
    for (const { child } of sessions.values()) child.kill();
    process.exit(0);
});
