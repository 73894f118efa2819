// Listens as io.calidog.certstream (certstream-java) does: java -cp gson.jar smoke_certstream.java URL THROUGH_PROXY SECONDS
//
// What the library does on the wire is what Java-WebSocket 1.5 does for it, and that is not to be had here, so it is done on a
// socket: the head of the request in its order, without extensions; a check of the answer; UTF-8 without tolerance; pings, each
// minute there and every 2 s here; the answer to a close. With Gson, as there, each message is decoded into objects with a type
// for each member, in all that its versions have declared.
//
// After a close with 1001, 1005, 1006 or 1009 the library connects again, once and at once. If nobody listens, it gives up: so
// must the client of URL when the server is restarted. The other one, behind a proxy that waits for the server, must go on.
//
// Exit status 0 if every message can be decoded and has every member, none was missing, also over the restart, pings were
// answered, and heartbeats came.

import com.google.gson.*;
import com.google.gson.annotations.SerializedName;
import com.google.gson.reflect.TypeToken;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;

class Main {
    public static void main(String[] arguments) throws Exception {
        long end = System.nanoTime() + (long) (Double.parseDouble(arguments[2]) * 1e9);
        ExecutorService threads = Executors.newFixedThreadPool(2);
        Client direct = new Client("as certstream-java", new URI(arguments[0]), end);
        Client proxied = new Client("as certstream-java, through a proxy", new URI(arguments[1]), end);
        List<Future<Object>> both = threads.invokeAll(List.of(Executors.callable(direct), Executors.callable(proxied)));
        for (Future<Object> one : both) {
            one.get();
        }
        direct.expect(1, true);
        proxied.expect(2, false);
        System.exit(direct.report() & proxied.report() ? 0 : 1);
    }
}

// The members of a message that a version of the library declares.
class Message {
    @SerializedName("message_type") String messageType;
    Data data;
}

class Data {
    @SerializedName("update_type") String updateType;
    @SerializedName("cert_link") String certLink;
    @SerializedName("leaf_cert") Certificate leafCert;
    Certificate[] chain;
    @SerializedName("cert_index") long certIndex;
    double seen;
    Source source;
}

class Source {
    String url;
    String name;
}

class Certificate {
    HashMap<String, String> subject;
    HashMap<String, String> issuer;
    // A list of texts for each; older versions declare a text. Both are decoded, from what the message has.
    transient Map<String, String[]> extensions;
    transient HashMap<String, String> extensionsAsTexts;
    @SerializedName("not_before") double notBefore;
    @SerializedName("not_after") double notAfter;
    @SerializedName("as_der") String asDer;
    @SerializedName("signature_algorithm") String signatureAlgorithm;
    @SerializedName("serial_number") String serialNumber;
    String fingerprint;
    @SerializedName("all_domains") String[] allDomains;

    private static final Gson PLAIN = new Gson();

    static Certificate read(JsonElement json) {
        Certificate certificate = PLAIN.fromJson(json, Certificate.class);
        JsonObject extensions = json.getAsJsonObject().getAsJsonObject("extensions");
        certificate.extensionsAsTexts = PLAIN.fromJson(extensions, new TypeToken<HashMap<String, String>>() {}.getType());
        certificate.extensions = new HashMap<>();
        for (Map.Entry<String, JsonElement> extension : extensions.entrySet()) {
            certificate.extensions.put(extension.getKey(), texts(extension.getValue()));
        }
        return certificate;
    }

    // Texts, numbers and truth values count as a text; null does not.
    private static String[] texts(JsonElement value) {
        if (value.isJsonPrimitive()) {
            return new String[] {value.getAsString()};
        }
        List<String> texts = new ArrayList<>();
        value.getAsJsonArray().forEach(one -> texts.add(one.getAsString()));
        return texts.toArray(new String[0]);
    }

    // What the library or its users would find to be null, or 0.
    String missing(boolean isLeaf) {
        List<Object> needed = new ArrayList<>(Arrays.asList(subject, issuer, extensionsAsTexts, asDer, signatureAlgorithm, serialNumber,
            fingerprint, subject == null ? null : subject.get("aggregated")));
        if (isLeaf) {
            needed.add(allDomains);
            needed.addAll(allDomains == null ? List.of() : Arrays.asList(allDomains));
        }
        boolean isWhole = !needed.contains(null) && notBefore > 0 && notAfter > notBefore && !asDer.isEmpty();
        return isWhole ? null : "a certificate lacks a member: " + PLAIN.toJson(this);
    }
}

class Client implements Runnable {
    private static final Set<Integer> COMES_BACK_AFTER = Set.of(1001, 1005, 1006, 1009);
    private static final int NEVER_CONNECTED = -1;
    private static final int PING_MS = 2000;

    private final String name;
    private final URI uri;
    private final long end;
    private final Gson gson = new GsonBuilder().registerTypeAdapter(Certificate.class,
        (JsonDeserializer<Certificate>) (json, type, context) -> Certificate.read(json)).create();
    private final Map<String, Long> due = new HashMap<>();
    private final List<String> faults = new ArrayList<>();
    private final List<Integer> closed = new ArrayList<>();
    private int updates, heartbeats, pongs, connections;

    Client(String name, URI uri, long end) {
        this.name = name;
        this.uri = uri;
        this.end = end;
    }

    // Connects, and again after each close after which the library would.
    public void run() {
        do {
            closed.add(connection());
        } while (System.nanoTime() < end && COMES_BACK_AFTER.contains(closed.get(closed.size() - 1)));
    }

    // One connection; returns the code with which it was closed, or 0 if the time is over.
    private int connection() {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(uri.getHost(), uri.getPort()));
            DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
            if (!handshake(in, socket.getOutputStream())) {
                return 1002;
            }
            connections++;
            return new Frames(in, socket.getOutputStream()).read();
        } catch (ConnectException error) {
            return NEVER_CONNECTED;
        } catch (IOException error) {
            return 1006;
        }
    }

    private boolean handshake(DataInputStream in, OutputStream out) throws IOException {
        byte[] random = new byte[16];
        ThreadLocalRandom.current().nextBytes(random);
        String key = Base64.getEncoder().encodeToString(random);
        String path = uri.getRawPath().isEmpty() ? "/" : uri.getRawPath();
        out.write(("GET " + path + " HTTP/1.1\r\nConnection: Upgrade\r\nHost: " + uri.getHost() + ":" + uri.getPort()
            + "\r\nSec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n")
            .getBytes(StandardCharsets.US_ASCII));
        String status = line(in);
        Map<String, String> head = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String line = line(in); !line.isEmpty(); line = line(in)) {
            String[] pair = line.split(":", 2);
            head.merge(pair[0], pair[1].stripLeading(), (one, other) -> one + "; " + other);
        }
        boolean isAccepted = status.startsWith("HTTP/1.1 101 ") && "websocket".equalsIgnoreCase(head.get("Upgrade"))
            && head.getOrDefault("Connection", "").toLowerCase(Locale.ENGLISH).contains("upgrade")
            && accept(key).equals(head.get("Sec-WebSocket-Accept")) && !head.containsKey("Sec-WebSocket-Extensions");
        if (!isAccepted) {
            fault("the handshake is not accepted: " + status + " " + head);
        }
        return isAccepted;
    }

    private static String accept(String key) {
        try {
            byte[] text = (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").getBytes(StandardCharsets.US_ASCII);
            return Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-1").digest(text));
        } catch (java.security.NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    private static String line(DataInputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int one = in.readUnsignedByte(); one != '\n'; one = in.readUnsignedByte()) {
            line.append((char) one);
        }
        return line.substring(0, line.length() - 1);
    }

    // The frames of a connection.
    private class Frames {
        private final DataInputStream in;
        private final OutputStream out;
        private final ByteArrayOutputStream message = new ByteArrayOutputStream();
        private long pinged = System.nanoTime();

        Frames(DataInputStream in, OutputStream out) {
            this.in = in;
            this.out = out;
        }

        int read() throws IOException {
            while (System.nanoTime() < end) {
                if (System.nanoTime() - pinged > PING_MS * 1_000_000L) {
                    send(9, new byte[0]);
                    pinged = System.nanoTime();
                }
                int first = in.readUnsignedByte(), opcode = first & 15;
                byte[] payload = payload();
                if ((first & 0x70) != 0) {
                    fault("reserved bits are set");
                }
                if (opcode == 8) {
                    send(8, payload);
                    return payload.length < 2 ? 1005 : ByteBuffer.wrap(payload).getShort();
                } else if (opcode == 9) {
                    send(10, payload);
                } else if (opcode == 10) {
                    pongs++;
                } else {
                    message.write(payload);
                    if ((first & 0x80) != 0) {
                        take(text(message.toByteArray()));
                        message.reset();
                    }
                }
            }
            return 0;
        }

        private String text(byte[] bytes) throws IOException {
            try {
                return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            } catch (java.nio.charset.CharacterCodingException error) {
                fault("a message is not UTF-8");
                throw error;
            }
        }

        private byte[] payload() throws IOException {
            long length = in.readUnsignedByte(); // a server masks nothing, so this is the length alone
            if (length == 126) {
                length = in.readUnsignedShort();
            } else if (length == 127) {
                length = in.readLong();
            }
            return in.readNBytes(Math.toIntExact(length));
        }

        private void send(int opcode, byte[] payload) throws IOException {
            byte[] head = {(byte) (0x80 | opcode), (byte) (0x80 | payload.length)}, mask = new byte[4];
            byte[] frame = Arrays.copyOf(head, 6 + payload.length);
            ThreadLocalRandom.current().nextBytes(mask);
            System.arraycopy(mask, 0, frame, 2, 4);
            for (int at = 0; at < payload.length; at++) {
                frame[6 + at] = (byte) (payload[at] ^ mask[at % 4]);
            }
            out.write(frame);
        }
    }

    private void take(String text) {
        try {
            Message message = gson.fromJson(text, Message.class);
            if (message.messageType.equalsIgnoreCase("heartbeat")) {
                heartbeats++;
            } else {
                take(message.data);
            }
        } catch (RuntimeException error) {
            fault(error + " at " + text.substring(0, Math.min(200, text.length())));
        }
    }

    private void take(Data data) {
        updates++;
        for (Object needed : Arrays.asList(data.updateType, data.certLink, data.leafCert, data.chain, data.source.name)) {
            Objects.requireNonNull(needed, "a member of data");
        }
        fault(data.leafCert.missing(true));
        for (Certificate issuer : data.chain) {
            fault(issuer.missing(false));
        }
        if (!(data.seen > 1e9)) {
            fault("seen at " + data.seen);
        }
        Long expected = due.put(data.source.url, data.certIndex + 1);
        if (expected != null && expected != data.certIndex) {
            fault(data.source.url + ": index " + data.certIndex + " where " + expected + " was due");
        }
    }

    void expect(int connected, boolean gaveUp) {
        // A server that is stopping may still accept a connection, and end it.
        List<Integer> codes = new ArrayList<>(closed);
        codes.removeIf(code -> code == 1006);
        boolean isRight = codes.equals(List.of(1001, gaveUp ? NEVER_CONNECTED : 0));
        if (updates < 300 || heartbeats < 2 || pongs < 2 || due.size() != 2) {
            fault("too few messages, heartbeats or pongs, or not two logs");
        }
        if (connections != connected || !isRight) {
            fault("connected " + connections + " times, closed with " + closed);
        }
    }

    private void fault(String fault) {
        if (fault != null && faults.size() < 5) {
            faults.add(fault);
        }
    }

    // Prints one line; returns whether there are no faults.
    boolean report() {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("client", name);
        line.put("certificate_updates", updates);
        line.put("heartbeats", heartbeats);
        line.put("connections", connections);
        line.put("closed", closed);
        line.put("pongs", pongs);
        line.put("faults", faults);
        System.out.println(new Gson().toJson(line));
        return faults.isEmpty();
    }
}
