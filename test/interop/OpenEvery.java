import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.TreeMap;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.DataNode;
import org.apache.zookeeper.server.DataTree;
import org.apache.zookeeper.server.ZKDatabase;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/**
 * Apache's own recovery on many data directories in one Java machine: each line of stdin names one; what
 * came up is printed as lines of `key tab value`, nodes by path, and ends with an empty line.
 */
public class OpenEvery {
    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String folder = lines.readLine(); folder != null; folder = lines.readLine()) {
            StringBuilder out = new StringBuilder();
            try {
                open(new File(folder), out);
            } catch (Throwable problem) {
                out.append("problem\t").append(problem).append('\n');
            }
            System.out.write((out + "\n").getBytes(StandardCharsets.UTF_8));
            System.out.flush();
        }
    }

    private static void open(File folder, StringBuilder out) throws Exception {
        FileTxnSnapLog files = new FileTxnSnapLog(folder, folder);
        ZKDatabase database = new ZKDatabase(files);
        try {
            database.loadDataBase();
            DataTree tree = database.getDataTree();
            out.append("zxid\t").append(Long.toHexString(tree.lastProcessedZxid)).append('\n');
            out.append("digest\t").append(tree.getTreeDigest()).append('\n');
            out.append("mismatch\t").append(tree.getDigestFromLoadedSnapshot() != null).append('\n');
            out.append("sessions\t").append(new TreeMap<>(database.getSessionWithTimeOuts())).append('\n');
            visit(tree, "/", out);
        } finally {
            database.close();
        }
    }

    private static void visit(DataTree tree, String path, StringBuilder out) throws Exception {
        DataNode node = tree.getNode(path);
        Stat stat = new Stat();
        byte[] data = tree.getData(path, stat, null);
        out.append(path).append('\t');
        out.append(data == null ? "null" : Base64.getEncoder().encodeToString(data));
        for (long number : new long[] {stat.getCzxid(), stat.getMzxid(), stat.getCtime(), stat.getMtime(),
                stat.getVersion(), stat.getCversion(), stat.getAversion(), stat.getEphemeralOwner(),
                stat.getDataLength(), stat.getNumChildren(), stat.getPzxid()}) {
            out.append(' ').append(number);
        }
        List<ACL> list = tree.getACL(node);
        for (ACL entry : list) {
            out.append(' ').append(entry.getPerms()).append(':');
            out.append(entry.getId().getScheme()).append(':').append(entry.getId().getId());
        }
        out.append('\n');
        for (String name : new java.util.TreeSet<>(node.getChildren())) {
            visit(tree, path.equals("/") ? "/" + name : path + "/" + name, out);
        }
    }
}
