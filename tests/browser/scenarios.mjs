// What a user does in MLflow's UI. Each scenario starts in a fresh browser
// context and works on entities of seed.py that no other scenario changes.

export const scenarios = {};

const row = (page, name) =>
    page.getByRole('row').filter({has: page.getByText(name, {exact: true})});

const dialog = (page, name) => page.getByRole('dialog', {name});

// -- experiments ----------------------------------------------------------

scenarios.experiments_are_listed_and_searched =
    async ({page, open, see, gone}) => {
  await open('/experiments');
  await see(row(page, 'stones'));
  await see(row(page, 'pebbles'));
  await see(row(page, 'stones').getByText('About **stones**.'));
  await page.getByPlaceholder('Search experiments').fill('STONE');
  await page.getByPlaceholder('Search experiments').press('Enter');
  await gone(row(page, 'pebbles'));
  await see(row(page, 'stones'));
};

scenarios.the_default_experiment_is_there = async ({page, open, see}) => {
  await open('/experiments');
  await see(row(page, 'Default'));
};

scenarios.an_experiment_is_created = async ({page, open, see, expect}) => {
  expect(404, /experiments\/get-by-name$/);
  await open('/experiments');
  await page.getByRole('button', {name: 'Create', exact: true}).click();
  const form = dialog(page, 'Create Experiment');
  await form.getByLabel('Experiment Name').fill('made in the browser');
  await form.getByRole('button', {name: 'Create'}).click();
  await page.waitForURL(/#\/experiments\/\d+/);
  await see(page.getByRole('link', {name: 'made in the browser'}));
  await open('/experiments');
  await see(row(page, 'made in the browser'));
};

scenarios.an_experiment_is_renamed = async ({page, open, see, expect}) => {
  expect(404, /experiments\/get-by-name$/);
  await open('/experiments');
  await page.getByRole('link', {name: 'to be renamed'}).click();
  await page.getByRole('button', {name: 'Open header dropdown menu'}).click();
  await page.getByRole('menuitem', {name: 'Edit experiment'}).click();
  const form = page.getByRole('dialog');
  await form.getByRole('textbox').first().fill('renamed in the browser');
  await form.getByRole('button', {name: 'Save'}).click();
  await see(page.getByRole('link', {name: 'renamed in the browser'}));
};

scenarios.an_experiment_is_tagged = async ({page, open, see}) => {
  await open('/experiments');
  await see(row(page, 'pebbles'));
  await row(page, 'pebbles').hover();
  await row(page, 'pebbles').getByRole('button', {name: 'Edit tags'}).click();
  const form = dialog(page, 'Add/Edit tags');
  await form.getByRole('combobox').fill('colour');
  await form.getByRole('combobox').press('Enter');
  await form.getByLabel('Value').fill('grey');
  await form.getByRole('button', {name: 'Add tag'}).click();
  await form.getByRole('button', {name: 'Save tags'}).click();
  await see(row(page, 'pebbles').getByText('grey'));
};

scenarios.an_experiment_is_deleted = async ({page, open, see, gone}) => {
  await open('/experiments');
  await row(page, 'to be deleted').getByRole('checkbox').check();
  await page.getByRole('button', {name: 'Delete', exact: true}).click();
  await dialog(page, 'Delete 1 Experiment')
      .getByRole('button', {name: 'Delete'}).click();
  await gone(row(page, 'to be deleted'));
  await see(row(page, 'stones'));
};

// -- run table ------------------------------------------------------------

const RUN_NAMES = ['amber', 'basalt', 'cedar', 'dune'];

// The run names in the table, from top to bottom.
const listedRuns = async (page) => {
  const found = await page.locator('[role=gridcell] a[href*="/runs/"]')
      .evaluateAll((links) => links.map(
          (link) => [link.getBoundingClientRect().y, link.textContent]));
  return found.filter(([, name]) => /^[a-z]+$/.test(name))
      .sort((a, b) => a[0] - b[0]).map(([, name]) => name);
};

const filterRuns = async (page, text) => {
  const field = page.getByRole('combobox', {name: /metrics\.rmse/});
  await field.fill(text);
  await field.press('Enter');
};

scenarios.runs_are_listed = async ({page, seed, open, see, until}) => {
  await open(`/experiments/${seed.experiment}/runs`);
  await until(() => listedRuns(page), [...RUN_NAMES].reverse());
  await see(page.getByText('4 matching runs'));
  await see(page.getByText(/^stone-table/));
  await see(page.getByText('stone-classifier'));
};

scenarios.runs_show_metrics_and_params =
    async ({page, seed, open, see}) => {
  await open(`/experiments/${seed.experiment}/runs`);
  await see(page.getByRole('link', {name: 'basalt'}));
  await page.getByRole('button', {name: 'Columns', exact: true}).click();
  for (const group of ['Metrics', 'Parameters']) {
    await page.locator('[class*=tree-treenode]')
        .filter({hasText: new RegExp(`^${group} \\(`)})
        .locator('[class*=tree-checkbox]').first().click();
  }
  await page.keyboard.press('Escape');
  await see(page.getByRole('gridcell', {name: '0.93', exact: true}));
  await see(page.getByRole('gridcell', {name: 'sgd', exact: true}));
};

scenarios.runs_are_sorted = async ({page, seed, open, until}) => {
  await open(`/experiments/${seed.experiment}/runs`);
  await page.getByRole('button', {name: /^Sort:/}).click();
  await page.getByRole('menuitemcheckbox', {name: 'accuracy'}).click();
  await until(() => listedRuns(page), ['basalt', 'cedar', 'amber', 'dune']);
  await page.getByRole('button', {name: /^Sort:/}).click();
  await page.getByRole('button', {name: 'Sort ascending'}).click();
  await until(() => listedRuns(page), ['dune', 'amber', 'cedar', 'basalt']);
};

scenarios.runs_are_filtered = async ({page, seed, open, see, until}) => {
  await open(`/experiments/${seed.experiment}/runs`);
  await until(async () => (await listedRuns(page)).length, 4);
  await filterRuns(page, 'metrics.accuracy > 0.8 AND params.optimizer = "adam"');
  await until(() => listedRuns(page), ['cedar']);
  await filterRuns(page, 'tags.team = "nobody"');
  await until(() => listedRuns(page), []);
  await filterRuns(page, '');
  await until(async () => (await listedRuns(page)).length, 4);
};

scenarios.a_wrong_filter_is_explained =
    async ({page, seed, open, see, expect}) => {
  expect(400, /runs\/search$/);
  await open(`/experiments/${seed.experiment}/runs`);
  await see(page.getByRole('link', {name: 'basalt'}));
  await filterRuns(page, 'metrics.accuracy >');
  await see(page.getByText('Request error'));
};

scenarios.charts_of_all_runs_are_drawn =
    async ({page, seed, open, see, until}) => {
  await open(`/experiments/${seed.experiment}/runs?compareRunsMode=CHART`);
  await see(page.getByText('accuracy').first());
  await until(async () =>
      await page.locator('.js-plotly-plot .point, ' +
                         '.js-plotly-plot .js-line').count() >= 8,
      true);
};

scenarios.runs_are_deleted_and_restored =
    async ({page, seed, open, see, until}) => {
  const choose = (name) => page.getByRole('row')
      .filter({has: page.getByRole('link', {name})}).getByRole('checkbox')
      .first().check();
  const show = async (from, to) => {
    await page.getByRole('combobox', {name: /^State/}).click();
    await page.getByRole('option', {name: to}).click();
  };
  await open(`/experiments/${seed.deleting}/runs`);
  await until(async () => (await listedRuns(page)).sort(),
      ['survivor', 'victim']);
  await choose('victim');
  await page.getByRole('button', {name: 'Delete', exact: true}).click();
  await page.getByRole('dialog').getByRole('button', {name: 'Delete'}).click();
  await until(() => listedRuns(page), ['survivor']);
  await show('Active', 'Deleted');
  await until(() => listedRuns(page), ['victim']);
  await choose('victim');
  await page.getByRole('button', {name: 'Restore', exact: true}).click();
  await page.getByRole('dialog').getByRole('button', {name: 'Restore'})
      .click();
  await until(() => listedRuns(page), []);
  await show('Deleted', 'Active');
  await until(async () => (await listedRuns(page)).sort(),
      ['survivor', 'victim']);
};

scenarios.runs_are_compared = async ({page, seed, open, see}) => {
  await open(`/experiments/${seed.experiment}/runs`);
  // Runs without artifacts: the page trips when one's arrive before the other's.
  for (const name of ['amber', 'cedar']) {
    await page.getByRole('row').filter({has: page.getByRole('link', {name})})
        .getByRole('checkbox').first().check();
  }
  await page.getByRole('button', {name: 'Compare'}).click();
  await page.waitForURL(/#\/compare-runs/);
  await see(page.getByText('Comparing 2 Runs from 1 Experiment'));
  for (const text of ['amber', 'cedar', 'learning_rate', 'optimizer',
                      'train/loss', '0.71', '0.82']) {
    await see(page.getByText(text, {exact: true}));
  }
};

// -- one run --------------------------------------------------------------

scenarios.a_run_is_shown = async ({page, seed, open, see}) => {
  await open(`/experiments/${seed.experiment}/runs/${seed.runs.amber}`);
  await see(page.getByRole('heading', {name: 'amber'}));
  for (const cell of ['accuracy', '0.71', 'train/loss', 'learning_rate',
                      '0.1', 'optimizer', 'adam']) {
    await see(page.getByRole('cell', {name: cell, exact: true}));
  }
  await see(page.getByText(seed.runs.amber));
  await see(page.getByText('Finished'));
  await see(page.getByText('stone-table'));
  await see(page.getByText(/team\s*:\s*vision/));
};

scenarios.metric_charts_of_a_run_are_drawn =
    async ({page, seed, open, see, until}) => {
  await open(
      `/experiments/${seed.experiment}/runs/${seed.runs.basalt}/model-metrics`);
  await see(page.getByText('basalt (accuracy)'));
  await see(page.getByText('basalt (train/loss)'));
  await until(() => page.locator('.scatterlayer .point').count(), 2 * 30);
};

scenarios.artifacts_are_previewed = async ({page, seed, open, see, until}) => {
  await open(
      `/experiments/${seed.experiment}/runs/${seed.runs.basalt}/artifacts`);
  await page.getByText('notes', {exact: true}).click();
  await page.getByText('plain.txt').click();
  await see(page.getByText('The first line of the note.'));
  await page.getByText('settings.json').click();
  await see(page.getByText('coefficients'));
  await see(page.getByText('0.25'));
  await page.getByText('red-and-black.png').click();
  await until(() => page.locator('img').evaluateAll((images) => images.some(
      (image) => image.naturalWidth === 90 && image.naturalHeight === 60)),
      true);
};

scenarios.a_run_is_tagged_and_described = async ({page, seed, open, see}) => {
  await open(`/experiments/${seed.experiment}/runs/${seed.runs.dune}`);
  await page.getByRole('button', {name: 'Edit tags'}).click();
  const form = dialog(page, 'Add/Edit tags');
  await form.getByRole('combobox').fill('grain');
  await form.getByRole('combobox').press('Enter');
  await form.getByLabel('Value').fill('fine');
  await form.getByRole('button', {name: 'Add tag'}).click();
  await form.getByRole('button', {name: 'Save tags'}).click();
  await see(page.getByText(/grain\s*:\s*fine/));
  await page.getByRole('button', {name: 'Edit description'}).click();
  await page.locator('textarea').fill('Sand, **mostly**.');
  await page.getByRole('button', {name: 'Save'}).click();
  await see(page.locator('strong', {hasText: 'mostly'}));
  await page.reload();
  await see(page.getByText(/grain\s*:\s*fine/));
  await see(page.locator('strong', {hasText: 'mostly'}));
};

scenarios.a_run_is_renamed = async ({page, seed, open, see}) => {
  await open(`/experiments/${seed.renaming}/runs/${seed.unnamed}`);
  await page.getByRole('button', {name: 'Open header dropdown menu'}).click();
  await page.getByRole('menuitem', {name: 'Rename'}).click();
  const form = page.getByRole('dialog');
  await form.getByRole('textbox').fill('named in the browser');
  await form.getByRole('button', {name: 'Save'}).click();
  await see(page.getByRole('heading', {name: 'named in the browser'}));
};

// -- models ---------------------------------------------------------------

scenarios.logged_models_are_shown = async ({page, seed, open, see}) => {
  await open(`/experiments/${seed.experiment}/models`);
  await page.getByRole('link', {name: 'stone-classifier'}).click();
  await see(page.getByRole('heading', {name: 'stone-classifier'}));
  await see(page.getByText(seed.model));
  await see(page.getByRole('cell', {name: 'depth'}));
};

scenarios.registered_models_are_listed_and_searched =
    async ({page, open, see, gone}) => {
  await open('/models');
  await see(row(page, 'stone-model'));
  await see(row(page, 'quiet-model'));
  const field = page.getByPlaceholder(/Filter registered models|Search/);
  await field.fill('STONE');
  await field.press('Enter');
  await gone(row(page, 'quiet-model'));
  await see(row(page, 'stone-model'));
};

scenarios.a_registered_model_is_shown = async ({page, open, see}) => {
  await open('/models/stone-model');
  await see(page.getByText('Tells stones apart.'));
  await see(page.getByRole('link', {name: 'Version 1'}));
  await see(page.getByText('champion'));
  await page.getByRole('link', {name: 'Version 2'}).click();
  await see(page.getByRole('heading', {name: 'Version 2'}));
  await see(page.getByText('second try'));
  await see(page.getByText('champion'));
  await see(page.getByText('checked'));
  await see(page.getByText('Inputs (1)'));
  await see(page.getByRole('link', {name: 'basalt'}));
};

scenarios.a_registered_model_is_created_and_deleted =
    async ({page, open, see, gone, expect}) => {
  expect(404, /registered-models\/get$/);
  await open('/models');
  await page.getByRole('button', {name: /Create Model/i}).click();
  const form = page.getByRole('dialog');
  await form.getByRole('textbox').fill('browser-model');
  await form.getByRole('button', {name: 'Create'}).click();
  await page.waitForURL(/#\/models\/browser-model/);
  await see(page.getByRole('heading', {name: 'browser-model'}));
  await page.getByRole('button', {name: 'Open header dropdown menu'}).click();
  await page.getByRole('menuitem', {name: 'Delete'}).click();
  await page.getByRole('dialog').getByRole('button', {name: /Delete/}).click();
  await page.waitForURL(/#\/models$/);
  await see(row(page, 'stone-model'));
  await gone(row(page, 'browser-model'));
};

scenarios.a_model_version_gets_an_alias_and_a_tag =
    async ({page, open, see}) => {
  await open('/models/quiet-model/versions/1');
  await page.getByRole('button', {name: 'Add', exact: true}).click();
  const form = page.getByRole('dialog');
  await form.getByRole('combobox').fill('chosen');
  await form.getByRole('combobox').press('Enter');
  await form.getByRole('button', {name: 'Save aliases'}).click();
  await see(page.getByText('@ chosen'));
  await page.getByRole('button', {name: 'Tags', exact: true}).click();
  await page.getByLabel('tag name').fill('grade');
  await page.getByLabel('tag value').fill('first class');
  await page.getByRole('button', {name: 'Add', exact: true}).click();
  await see(page.getByRole('cell', {name: 'first class'}));
  await page.reload();
  await see(page.getByText('@ chosen'));
  await see(page.getByRole('cell', {name: 'first class'}));
};
