import java.io.DataInputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;

/** The frames of frames.ts, for readers in Java. */
class Frames {
    record Entry(String name, byte[] value, boolean file) {}

    interface Reader {
        List<Entry> read(String type, byte[] body) throws Exception;
    }

    static void answer(String version, Reader reader) throws Exception {
        DataInputStream input = new DataInputStream(new java.io.BufferedInputStream(System.in));
        PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        output.println("{\"version\":" + quoted(version) + "}");
        for (;;) {
            String line = input.readLine();
            if (line == null) return;
            String[] sizes = line.split(" ");
            byte[] type = input.readNBytes(Integer.parseInt(sizes[0]));
            byte[] body = input.readNBytes(Integer.parseInt(sizes[1]));
            output.println(answerTo(reader, new String(type, StandardCharsets.ISO_8859_1), body));
        }
    }

    private static String answerTo(Reader reader, String type, byte[] body) {
        StringBuilder text = new StringBuilder("{\"entries\":[");
        try {
            String separator = "";
            for (Entry entry : reader.read(type, body)) {
                String value = Base64.getEncoder().encodeToString(entry.value());
                text.append(separator).append('[').append(quoted(entry.name())).append(",\"").append(value);
                text.append("\",").append(entry.file()).append(']');
                separator = ",";
            }
            return text.append("]}").toString();
        } catch (Exception error) {
            return "{\"entries\":[],\"refused\":" + quoted(String.valueOf(error)) + "}";
        }
    }

    /** Debian has each library as two files, one with its version in its name. */
    static String versionIn(Class<?> library) throws Exception {
        java.io.File jar = new java.io.File(library.getProtectionDomain().getCodeSource().getLocation().getPath());
        String name = jar.getName().replaceAll("\\.jar$", "");
        String[] beside = jar.getParentFile().list((folder, file) -> file.matches(name + "-[0-9][0-9.]*\\.jar"));
        String versioned = beside == null || beside.length == 0 ? jar.getCanonicalFile().getName() : beside[0];
        return versioned.replaceAll("^.*-([0-9][0-9.]*)\\.jar$", "$1");
    }

    private static String quoted(String text) {
        if (text == null) return "\"\"";
        StringBuilder quoted = new StringBuilder("\"");
        for (char sign : text.toCharArray()) {
            if (sign < 0x20 || sign > 0x7e || sign == '"' || sign == '\\') quoted.append(String.format("\\u%04x", (int) sign));
            else quoted.append(sign);
        }
        return quoted.append('"').toString();
    }
}
