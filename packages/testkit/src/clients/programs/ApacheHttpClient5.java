import java.io.File;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.classic.methods.HttpHead;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.classic.methods.HttpUriRequestBase;
import org.apache.hc.client5.http.entity.mime.MultipartEntityBuilder;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.io.entity.StringEntity;

/** Apache HttpClient 5, with what it does unless it is told otherwise. */
class ApacheHttpClient5 {
  public static void main(String[] arguments) throws Exception {
    HttpUriRequestBase request = request(arguments[0], System.getenv("BASE"));
    request.setHeader("Authorization", "Bearer " + System.getenv("TOKEN"));
    try (CloseableHttpClient client = HttpClients.createDefault()) {
      int status = client.execute(request, response -> response.getCode());
      System.out.println(status);
    }
  }

  private static HttpUriRequestBase request(String call, String base) {
    switch (call) {
      case "models": return new HttpGet(base + "/models");
      case "health": return new HttpGet(base + "/-/health");
      case "health-head": return new HttpHead(base + "/-/health");
      case "generate": {
        HttpPost post = new HttpPost(base + "/v1/ideogram-v3/generate");
        post.setEntity(new StringEntity(System.getenv("JSON"), ContentType.APPLICATION_JSON));
        return post;
      }
      default: {
        HttpPost post = new HttpPost(base + "/v1/ideogram-v3/remix");
        post.setEntity(MultipartEntityBuilder.create()
            .addTextBody("prompt", "a lighthouse")
            .addTextBody("rendering_speed", "TURBO")
            .addBinaryBody("image", new File(System.getenv("FILE")), ContentType.IMAGE_PNG, "photo.png")
            .build());
        return post;
      }
    }
  }
}
