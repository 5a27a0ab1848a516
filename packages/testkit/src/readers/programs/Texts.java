import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.tomcat.util.buf.MessageBytes;
import org.apache.tomcat.util.http.Parameters;

/** Java's readers of JSON and queries: Jackson, Gson, Tomcat, and the idiom of java.net.URI. See texts.ts for the entries. */
class Texts {
    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "jackson" -> Frames.answer(Frames.versionIn(ObjectMapper.class), (type, body) -> {
                List<Frames.Entry> entries = new ArrayList<>();
                walk("", new ObjectMapper().readTree(body), entries);
                return entries;
            });
            case "gson" -> Frames.answer(Frames.versionIn(JsonParser.class), (type, body) -> {
                List<Frames.Entry> entries = new ArrayList<>();
                walk("", JsonParser.parseString(new String(body, StandardCharsets.UTF_8)), entries);
                return entries;
            });
            case "tomcat" -> Frames.answer(Frames.versionIn(Parameters.class), (type, body) -> {
                Parameters parameters = new Parameters();
                parameters.setCharset(StandardCharsets.UTF_8);
                parameters.setQueryStringCharset(StandardCharsets.UTF_8);
                MessageBytes query = MessageBytes.newInstance();
                query.setBytes(body, 0, body.length);
                parameters.setQuery(query);
                parameters.handleQueryParameters();
                List<Frames.Entry> entries = new ArrayList<>();
                for (String name : java.util.Collections.list(parameters.getParameterNames()))
                    for (String value : parameters.getParameterValues(name)) add(entries, name, value);
                return entries;
            });
            // As many examples for the JDK's own server do: decoded as a whole, then taken apart.
            default -> Frames.answer(System.getProperty("java.version"), (type, body) -> {
                String query = new URI("http://localhost/?" + new String(body, StandardCharsets.US_ASCII)).getQuery();
                List<Frames.Entry> entries = new ArrayList<>();
                for (String pair : query.split("&")) {
                    String[] sides = pair.split("=");
                    if (sides.length > 0) add(entries, sides[0], sides.length > 1 ? sides[1] : "");
                }
                return entries;
            });
        }
    }

    private static void add(List<Frames.Entry> entries, String name, String value) {
        entries.add(new Frames.Entry(name, value.getBytes(StandardCharsets.UTF_8), false));
    }

    private static void walk(String path, JsonNode value, List<Frames.Entry> entries) {
        if (value.isObject()) {
            add(entries, path, "{}");
            value.fields().forEachRemaining(member -> walk(path + "\u001f" + member.getKey(), member.getValue(), entries));
        } else if (value.isArray()) {
            add(entries, path, "[]");
            for (int at = 0; at < value.size(); at++) walk(path + "\u001f" + at, value.get(at), entries);
        } else if (value.isTextual()) add(entries, path, "text " + value.textValue());
        else add(entries, path, value.isNumber() ? "number " + value.asText() : value.asText());
    }

    private static void walk(String path, JsonElement value, List<Frames.Entry> entries) {
        if (value.isJsonObject()) {
            add(entries, path, "{}");
            value.getAsJsonObject().entrySet().forEach(member -> walk(path + "\u001f" + member.getKey(), member.getValue(), entries));
        } else if (value.isJsonArray()) {
            add(entries, path, "[]");
            for (int at = 0; at < value.getAsJsonArray().size(); at++) walk(path + "\u001f" + at, value.getAsJsonArray().get(at), entries);
        } else if (value.isJsonNull()) add(entries, path, "null");
        else if (value.getAsJsonPrimitive().isString()) add(entries, path, "text " + value.getAsString());
        else add(entries, path, value.getAsJsonPrimitive().isNumber() ? "number " + value.getAsString() : value.getAsString());
    }
}
