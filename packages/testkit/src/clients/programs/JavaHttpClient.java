import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The JDK's own client. It knows no forms: they are put together as its users do. */
class JavaHttpClient {
  public static void main(String[] arguments) throws Exception {
    String base = System.getenv("BASE");
    HttpRequest.Builder request = HttpRequest.newBuilder().header("Authorization", "Bearer " + System.getenv("TOKEN"));
    switch (arguments[0]) {
      case "models" -> request.uri(URI.create(base + "/models")).GET();
      case "generate" -> request.uri(URI.create(base + "/v1/ideogram-v3/generate"))
          .header("Content-Type", "application/json")
          .POST(BodyPublishers.ofString(System.getenv("JSON")));
      case "remix" -> request.uri(URI.create(base + "/v1/ideogram-v3/remix"))
          .header("Content-Type", "multipart/form-data; boundary=JavaBoundary0123456789")
          .POST(form(Path.of(System.getenv("FILE"))));
      case "health" -> request.uri(URI.create(base + "/-/health")).GET();
      default -> request.uri(URI.create(base + "/-/health")).method("HEAD", BodyPublishers.noBody());
    }
    System.out.println(HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString()).statusCode());
  }

  private static BodyPublisher form(Path file) throws Exception {
    String fields = "--JavaBoundary0123456789\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na lighthouse\r\n"
        + "--JavaBoundary0123456789\r\nContent-Disposition: form-data; name=\"rendering_speed\"\r\n\r\nTURBO\r\n"
        + "--JavaBoundary0123456789\r\nContent-Disposition: form-data; name=\"image\"; filename=\"photo.png\"\r\n"
        + "Content-Type: image/png\r\n\r\n";
    // Of unknown length: it goes out in chunks.
    return BodyPublishers.ofByteArrays(
        List.of(fields.getBytes(), Files.readAllBytes(file), "\r\n--JavaBoundary0123456789--\r\n".getBytes()));
  }
}
