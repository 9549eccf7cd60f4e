const create = () => {
  const node = make("li");
  const top = make("p", "bt-mail-top");
  top.append(make("strong"), make("span", "bt-quiet"));
  node.append(top, make("p", "bt-mail-body"));
  return node;
};
poll(async () => {
  const answer = await ask("mails");
  if (!answer?.rows) return;
  show(find("empty"), answer.rows.length === 0);
  each(find("mails"), answer.rows, (mail) => mail.id, create, (node, mail) => {
    const [subject, facts] = node.firstChild.children;
    put(subject, mail.subject);
    put(facts, `${mail.status}  ·  to ${mail.recipient}  ·  ${ago(mail.created, answer.now)}`);
    put(node.lastChild, mail.body);
  });
}, 4000);
