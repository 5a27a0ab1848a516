import java.io.File;
import org.springframework.core.io.FileSystemResource;
import org.springframework.http.HttpEntity;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.MediaType;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.util.MultiValueMap;
import org.springframework.web.client.RestTemplate;

/** Spring's RestTemplate, with what it does unless it is told otherwise. */
class SpringRestTemplate {
  public static void main(String[] arguments) {
    String base = System.getenv("BASE");
    HttpHeaders headers = new HttpHeaders();
    headers.set("Authorization", "Bearer " + System.getenv("TOKEN"));
    switch (arguments[0]) {
      case "models" -> send(base + "/models", HttpMethod.GET, new HttpEntity<>(headers));
      case "health" -> send(base + "/-/health", HttpMethod.GET, new HttpEntity<>(headers));
      case "health-head" -> send(base + "/-/health", HttpMethod.HEAD, new HttpEntity<>(headers));
      case "generate" -> {
        headers.setContentType(MediaType.APPLICATION_JSON);
        send(base + "/v1/ideogram-v3/generate", HttpMethod.POST, new HttpEntity<>(System.getenv("JSON"), headers));
      }
      default -> {
        MultiValueMap<String, Object> form = new LinkedMultiValueMap<>();
        form.add("prompt", "a lighthouse");
        form.add("rendering_speed", "TURBO");
        form.add("image", new FileSystemResource(new File(System.getenv("FILE"))));
        headers.setContentType(MediaType.MULTIPART_FORM_DATA);
        send(base + "/v1/ideogram-v3/remix", HttpMethod.POST, new HttpEntity<>(form, headers));
      }
    }
  }

  private static void send(String url, HttpMethod method, HttpEntity<?> entity) {
    System.out.println(new RestTemplate().exchange(url, method, entity, String.class).getStatusCode().value());
  }
}
